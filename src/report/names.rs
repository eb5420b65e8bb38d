//! What the files of a report are called.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Characters of a photo's or a class's name that its files keep.
const LONGEST: usize = 40;

/// Where the files of a report lie, and what those of a method are called.
pub(super) struct Files {
    folder: PathBuf,
    methods: Vec<String>,
    made: Option<String>,
}

/// Where the files of one photo lie, from the folder of the report.
pub(super) struct PhotoFiles {
    class: String,
    stem: String,
}

impl Files {
    pub(super) fn new(folder: &Path, methods: &[String]) -> Files {
        let mut slugs: Vec<String> = Vec::new();
        for method in methods {
            let slug = slug(method);
            let same = slugs.iter().filter(|known| **known == slug).count();
            let taken = |name: &String| slugs.contains(name);
            let numbered = (same + 1..).map(|number| format!("{slug}-{number}"));
            let free = std::iter::once(slug.clone()).chain(numbered).find(|name| !taken(name));
            slugs.push(free.unwrap_or(slug));
        }
        Files { folder: folder.to_path_buf(), methods: slugs, made: None }
    }

    /// Those of a photo, whose folders there are then.
    pub(super) fn of(&mut self, index: usize, class: &str, photo: &str) -> Result<PhotoFiles> {
        let class = plain(class);
        if self.made.as_ref() != Some(&class) {
            for kind in ["pictures", "maps"] {
                let path = self.folder.join(kind).join(&class);
                std::fs::create_dir_all(&path)
                    .map_err(|error| Error::file(&path, format!("cannot be made: {error}")))?;
            }
            self.made = Some(class.clone());
        }
        let name = photo.rsplit('/').next().unwrap_or_default();
        let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
        Ok(PhotoFiles { class, stem: format!("{index:06}_{}", plain(name)) })
    }

    /// The place of a file on disk.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The picture and the values of a method.
    pub(super) fn of_method(
        &self,
        photo: &PhotoFiles,
        method: usize,
        expected: bool,
    ) -> [String; 2] {
        let PhotoFiles { class, stem } = photo;
        let slug = self.methods.get(method).map_or("map", String::as_str);
        let of = if expected { "_expected" } else { "" };
        [
            format!("pictures/{class}/{stem}_{slug}{of}.jpg"),
            format!("maps/{class}/{stem}_{slug}{of}.npy"),
        ]
    }
}

impl PhotoFiles {
    /// The photo as the network sees it.
    pub(super) fn photo(&self) -> String {
        format!("pictures/{}/{}_photo.jpg", self.class, self.stem)
    }
}

/// A name that is one part of a path on every system.
fn plain(name: &str) -> String {
    let part: String = name
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_alphanumeric() || "_-.".contains(c) { c } else { '_' })
        .collect();
    let part = part.trim_matches('.');
    if part.is_empty() { "_".to_owned() } else { part.to_owned() }
}

/// `Grad-CAM, first component` -> `grad-cam-first-component`.
fn slug(name: &str) -> String {
    let letters = name.to_lowercase();
    let words = letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug: String = words.collect::<Vec<_>>().join("-").chars().take(LONGEST).collect();
    if slug.is_empty() {
        slug = "method".into();
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parts_of_paths_and_methods_have_one_each() {
        assert_eq!(plain("../a b/ü.x"), "_a_b_ü.x");
        assert_eq!(plain(".."), "_");
        let methods = ["Grad-CAM", "Grad-CAM", "SmoothGrad²", "²", "Grad-CAM-2"].map(String::from);
        let files = Files::new(Path::new("out"), &methods);
        assert_eq!(
            files.methods,
            ["grad-cam", "grad-cam-2", "smoothgrad", "method", "grad-cam-2-2"]
        );
    }
}
