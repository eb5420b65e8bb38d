//! What cells show of types that are not ours.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::ops::Deref;

use image::buffer::ConvertBuffer;
use image::{DynamicImage, ImageBuffer, Pixel, RgbaImage};

use super::{MimeBundle, Show, debug_line, error_bundle, print};
use crate::error::Error;
use crate::picture::{Animation, Cell, Maps, Overlay, Picture, PictureTable, Sheet};

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

    fn evcxr_display(&self) {
        match self {
            Ok(value) => value.evcxr_display(),
            Err(_) => print(&self.bundle()),
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

/// Of longer lists the first elements are shown.
const MOST: usize = 64;

/// That these are not all of so many.
fn first_of(count: usize) -> Option<String> {
    (count > MOST).then(|| format!("the first {MOST} of {count}"))
}

impl<T: Show> Show for [T] {
    fn bundle(&self) -> MimeBundle {
        if self.is_empty() {
            return MimeBundle::text("[], an empty list");
        }
        let mut parts: Vec<MimeBundle> = self.iter().take(MOST).map(Show::bundle).collect();
        let note = first_of(self.len());
        if let Some(texts) = single_lines(&parts) {
            let rest =
                if note.is_some() { format!(", … {} in all", self.len()) } else { String::new() };
            return MimeBundle::text(format!("[{}{rest}]", texts.join(", ")));
        }
        let pictures: Option<Vec<Picture>> =
            parts.iter().map(|part| part.as_picture().cloned()).collect();
        match pictures {
            Some(pictures) if pictures.len() > 1 => {
                let sheet = Sheet::pictures(pictures).captions(MimeBundle::names(&parts));
                match note {
                    Some(note) => sheet.title(note).bundle(),
                    None => sheet.bundle(),
                }
            }
            _ => {
                parts.extend(note.map(MimeBundle::text));
                MimeBundle::stack(parts)
            }
        }
    }
}

/// What has names, as the inputs of a network with their shapes: a line each, or pictures and tables under their names.
impl<S: AsRef<str>, T: Show> Show for [(S, T)] {
    fn bundle(&self) -> MimeBundle {
        if self.is_empty() {
            return MimeBundle::text("[], an empty list");
        }
        let (names, parts): (Vec<&str>, Vec<MimeBundle>) =
            self.iter().take(MOST).map(|(name, part)| (name.as_ref(), part.bundle())).unzip();
        let note = first_of(self.len());
        if let Some(texts) = single_lines(&parts) {
            let lines = names.iter().zip(texts).map(|(name, text)| format!("{name}: {text}"));
            return MimeBundle::text(lines.chain(note).collect::<Vec<_>>().join("\n"));
        }
        let names = names.into_iter().map(str::to_owned);
        let beside = MimeBundle::beside(names.zip(parts).collect());
        match note {
            Some(note) => MimeBundle::stack(vec![beside, MimeBundle::text(note)]),
            None => beside,
        }
    }
}

impl<T: Show> Show for BTreeMap<String, T> {
    fn bundle(&self) -> MimeBundle {
        self.iter().collect::<Vec<_>>().bundle()
    }
}

/// The texts of bundles that are a single line of text each.
fn single_lines(parts: &[MimeBundle]) -> Option<Vec<&str>> {
    let line = |part: &'_ MimeBundle| part.is_text() && !part.as_text().contains('\n');
    parts.iter().all(line).then(|| parts.iter().map(MimeBundle::as_text).collect())
}

impl<T> Show for Vec<T>
where
    [T]: Show,
{
    fn bundle(&self) -> MimeBundle {
        self.as_slice().bundle()
    }
}

impl<T, const N: usize> Show for [T; N]
where
    [T]: Show,
{
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

impl Show for Maps {
    fn bundle(&self) -> MimeBundle {
        Sheet::new(self.clone()).bundle()
    }
}

impl Show for Error {
    fn bundle(&self) -> MimeBundle {
        error_bundle(self)
    }
}

impl Show for Overlay {
    fn bundle(&self) -> MimeBundle {
        self.picture().bundle()
    }
}

/// What statements and `show!` come to: there is nothing to show, and nothing is printed.
impl Show for () {
    fn bundle(&self) -> MimeBundle {
        MimeBundle::text("")
    }

    fn evcxr_display(&self) {}
}

impl Show for Animation {
    fn bundle(&self) -> MimeBundle {
        let text = format!("animation, {} pictures", self.frames().len());
        match self.frames().last() {
            Some(last) => MimeBundle::png(self.to_light_png(), last.clone(), text),
            None => MimeBundle::text(text),
        }
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

impl Show for PictureTable {
    fn bundle(&self) -> MimeBundle {
        match self.render() {
            Ok(picture) => MimeBundle::picture(picture, self.note()),
            Err(error) => error_bundle(&error),
        }
    }
}

impl<T: Show> From<T> for Cell {
    /// What a notebook shows of it: the picture without a caption, or the words.
    fn from(shown: T) -> Cell {
        let bundle = shown.bundle();
        match bundle.as_picture() {
            Some(picture) => Cell::pictured(picture.clone()),
            None => Cell::missing(bundle.as_text()),
        }
    }
}

impl<T: Show, S: Into<String>> From<(T, S)> for Cell {
    /// What a notebook shows of it, and its caption.
    fn from((shown, caption): (T, S)) -> Cell {
        Cell::new(shown, caption)
    }
}

macro_rules! debug_lines {
    ($($kind:ty: |$it:ident| $text:expr;)*) => {
        $(impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $it = self;
                debug_line(f, $text)
            }
        })*
    };
}
// Here and not beside the types, since `picture` does not know `show`.
debug_lines! {
    Picture: |picture| format!("Picture of {} × {}", picture.width(), picture.height());
    Animation: |animation| format!("Animation of {} pictures", animation.frames().len());
    Sheet: |sheet| format!("Sheet of {} {}", sheet.count(), sheet.noun(sheet.count()));
    PictureTable: |table| {
        let [rows, columns] = table.size();
        format!("PictureTable of {rows} × {columns}")
    };
    Overlay: |_overlay| "Overlay of a map";
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
