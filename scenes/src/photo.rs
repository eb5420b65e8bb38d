//! Made pictures as photos.

use convlens::Result;
use convlens::photo::Photo;
use convlens::picture::Picture;

/// A picture, pixel for pixel, for a network to look at.
pub(super) fn photo_of(picture: &Picture, title: &str) -> Result<Photo> {
    Ok(Photo::from_picture(picture).titled(title))
}
