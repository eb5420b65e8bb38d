//! What cells show of types that are not ours.

use std::fmt::Display;
use std::ops::Deref;

use image::buffer::ConvertBuffer;
use image::{DynamicImage, ImageBuffer, Pixel, RgbaImage};

use super::{MimeBundle, Show, error_bundle};
use crate::picture::{Picture, Sheet};

impl<T: Show + ?Sized> Show for &T {
    fn bundle(&self) -> MimeBundle {
        (**self).bundle()
    }
}

impl Show for MimeBundle {
    fn bundle(&self) -> MimeBundle {
        self.clone()
    }
}

impl<T: Show, E: Display> Show for Result<T, E> {
    fn bundle(&self) -> MimeBundle {
        match self {
            Ok(value) => value.bundle(),
            Err(error) => error_bundle(error),
        }
    }
}

impl<T: Show> Show for Option<T> {
    fn bundle(&self) -> MimeBundle {
        match self {
            Some(value) => value.bundle(),
            None => MimeBundle::text("None"),
        }
    }
}

impl<T: Show> Show for [T] {
    fn bundle(&self) -> MimeBundle {
        if self.is_empty() {
            return MimeBundle::text("nothing to show: the list is empty");
        }
        let parts: Vec<MimeBundle> = self.iter().map(Show::bundle).collect();
        let pictures: Option<Vec<Picture>> =
            parts.iter().map(|part| part.as_picture().cloned()).collect();
        match pictures {
            Some(pictures) if pictures.len() > 1 => {
                let captions: Vec<String> = (0..pictures.len()).map(|i| i.to_string()).collect();
                Sheet::pictures(pictures).captions(captions).bundle()
            }
            _ => MimeBundle::stack(parts),
        }
    }
}

impl<T: Show> Show for Vec<T> {
    fn bundle(&self) -> MimeBundle {
        self.as_slice().bundle()
    }
}

impl<T: Show, const N: usize> Show for [T; N] {
    fn bundle(&self) -> MimeBundle {
        self.as_slice().bundle()
    }
}

macro_rules! show_as_text {
    ($($kind:ty),*) => {
        $(impl Show for $kind {
            fn bundle(&self) -> MimeBundle {
                MimeBundle::text(self.to_string())
            }
        })*
    };
}
show_as_text!(
    str, String, bool, char, i8, i16, i32, i64, u8, u16, u32, u64, usize, isize, f32, f64
);

impl Show for Picture {
    fn bundle(&self) -> MimeBundle {
        MimeBundle::picture(self.clone(), format!("picture, {} × {}", self.width(), self.height()))
    }
}

impl Show for Sheet {
    fn bundle(&self) -> MimeBundle {
        match self.render() {
            Ok(rendered) => MimeBundle::picture(rendered.picture, rendered.note),
            Err(error) => error_bundle(&error),
        }
    }
}

impl Show for DynamicImage {
    fn bundle(&self) -> MimeBundle {
        if self.width() == 0 || self.height() == 0 {
            let size = format!("{} × {}", self.width(), self.height());
            return MimeBundle::text(format!("an image without pixels, {size}"));
        }
        Picture::from(self).bundle()
    }
}

impl<P, C> Show for ImageBuffer<P, C>
where
    P: Pixel,
    C: Deref<Target = [P::Subpixel]>,
    ImageBuffer<P, C>: ConvertBuffer<RgbaImage>,
{
    fn bundle(&self) -> MimeBundle {
        DynamicImage::ImageRgba8(self.convert()).bundle()
    }
}
