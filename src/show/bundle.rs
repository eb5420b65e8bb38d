//! One output in the forms that notebooks, terminals and pages understand.

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::carried::Carried;
use super::debug_line;
use crate::picture::Picture;

/// What a cell shows, in up to three forms: a picture, HTML, and plain text, which is always
/// there. JupyterLab prefers HTML to the picture, and GitHub strips styles from HTML, so pictures
/// go without HTML and tables without a picture; what answers to a pointer has both, and its HTML
/// holds the picture as well.
#[derive(Clone)]
pub struct MimeBundle {
    picture: Option<Picture>,
    /// A PNG file in the place of the picture's own.
    file: Option<Rc<[u8]>>,
    html: Option<String>,
    text: String,
    /// What it is of, where that has a name: among others it goes by it.
    of: Option<Rc<str>>,
}

impl MimeBundle {
    /// Plain text alone.
    pub fn text(text: impl Into<String>) -> Self {
        MimeBundle { picture: None, file: None, html: None, text: text.into(), of: None }
    }

    /// A picture, and what stands in for it where no picture can be shown.
    pub fn picture(picture: Picture, text: impl Into<String>) -> Self {
        MimeBundle { picture: Some(picture), file: None, html: None, text: text.into(), of: None }
    }

    /// A PNG file that shows more than a picture; `still` stands for it among other pictures.
    pub(crate) fn png(file: Vec<u8>, still: Picture, text: impl Into<String>) -> Self {
        MimeBundle { file: Some(file.into()), ..MimeBundle::picture(still, text) }
    }

    /// HTML, and what stands in for it in a terminal. Escape what you put in:
    /// see [`escape_html`].
    pub fn html(html: impl Into<String>, text: impl Into<String>) -> Self {
        MimeBundle {
            picture: None,
            file: None,
            html: Some(html.into()),
            text: text.into(),
            of: None,
        }
    }

    /// The picture, and HTML that shows it as well and is preferred to it.
    pub(crate) fn with_html(self, html: String) -> Self {
        MimeBundle { html: Some(html), ..self }
    }

    /// The picture that stands for it among others, where only a picture will do.
    fn as_nothing_but_a_picture(&self) -> Option<&Picture> {
        self.picture.as_ref().filter(|_| self.html.is_none())
    }

    /// The same, of what has this name.
    pub(crate) fn of(self, name: &str) -> Self {
        MimeBundle { of: Some(name.into()), ..self }
    }

    /// What these are called beside each other: what they are of, where that tells them apart, or else their places.
    pub(super) fn names(bundles: &[MimeBundle]) -> Vec<String> {
        let names: BTreeSet<&str> = bundles.iter().filter_map(|one| one.of.as_deref()).collect();
        let told = names.len() == bundles.len();
        let name = |(place, one): (usize, &MimeBundle)| match &one.of {
            Some(name) if told => name.to_string(),
            _ => place.to_string(),
        };
        bundles.iter().enumerate().map(name).collect()
    }

    /// The picture, if this is one.
    pub fn as_picture(&self) -> Option<&Picture> {
        self.picture.as_ref()
    }

    /// The plain text.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// Whether there is nothing but text.
    pub(crate) fn is_text(&self) -> bool {
        self.picture.is_none() && self.html.is_none()
    }

    /// The forms by MIME type, each type once. A picture is an `image/jpeg` where it is a photo or
    /// a blend, else an `image/png`; on white, it has a margin and an edge, so that it stands out
    /// from a dark page. [`as_picture`](MimeBundle::as_picture) has its exact pixels.
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = Vec::new();
        match (&self.file, &self.picture) {
            (Some(file), _) => entries.push(("image/png", STANDARD.encode(file))),
            (None, Some(picture)) => {
                let carried = Carried::new(picture);
                entries.push((carried.mime, STANDARD.encode(&carried.file)));
            }
            (None, None) => {}
        }
        if let Some(html) = &self.html {
            entries.push(("text/html", html.clone()));
        }
        entries.push(("text/plain", self.text.clone()));
        entries
    }

    /// A piece of HTML that shows the same.
    pub fn to_html(&self) -> String {
        if let Some(file) = &self.file {
            let data = STANDARD.encode(file);
            return format!("<div><img src=\"data:image/png;base64,{data}\"></div>");
        }
        match (&self.html, &self.picture) {
            (Some(html), _) => html.clone(),
            (None, Some(picture)) => {
                format!("<div>{}</div>", Carried::new(picture).to_html())
            }
            // JupyterLab's own style would break it inside words.
            (None, None) => format!(
                "<pre style=\"word-break:normal;overflow-wrap:anywhere\">{}</pre>",
                escape_html(&self.text)
            ),
        }
    }

    /// Under each other. Pictures alone stay a picture; anything else becomes HTML.
    pub(crate) fn stack(mut parts: Vec<MimeBundle>) -> MimeBundle {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let text = parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n");
        let pictures: Option<Vec<Picture>> =
            parts.iter().map(|part| part.as_nothing_but_a_picture().cloned()).collect();
        match pictures {
            Some(pictures) if !pictures.is_empty() => {
                MimeBundle::picture(Picture::above(&pictures, 12), text)
            }
            _ if parts.iter().all(MimeBundle::is_text) => MimeBundle::text(text),
            _ => {
                let html: Vec<String> = parts.iter().map(MimeBundle::to_html).collect();
                MimeBundle::html(html.join("\n"), text)
            }
        }
    }

    /// Beside each other under titles. Pictures stay a picture; anything else becomes HTML.
    pub(crate) fn beside(parts: Vec<(String, MimeBundle)>) -> MimeBundle {
        let text: Vec<String> =
            parts.iter().map(|(title, part)| format!("{title}: {}", part.text)).collect();
        let text = text.join("\n");
        let pictures: Option<Vec<(&str, &Picture)>> = parts
            .iter()
            .map(|(title, part)| Some((title.as_str(), part.as_nothing_but_a_picture()?)))
            .collect();
        match pictures {
            Some(pictures) if !pictures.is_empty() => {
                let pictures = Picture::all_titled(&pictures);
                MimeBundle::picture(Picture::flowed(&pictures, 16), text)
            }
            _ if parts.iter().all(|(_, part)| part.is_text()) => MimeBundle::text(text),
            _ => {
                let cells: Vec<String> = parts
                    .iter()
                    .map(|(title, part)| {
                        let title = escape_html(title);
                        format!("<td valign=\"top\"><b>{title}</b><br>{}</td>", part.to_html())
                    })
                    .collect();
                MimeBundle::html(format!("<table><tr>{}</tr></table>", cells.join("")), text)
            }
        }
    }

    /// The bundle as evcxr reads it: a block for each MIME type.
    pub(crate) fn framed(&self) -> String {
        let mut framed = String::new();
        for (mime, content) in self.entries() {
            framed += "EVCXR_BEGIN_CONTENT ";
            framed += mime;
            framed.push('\n');
            framed += &guarded(mime, &content);
            framed += "\nEVCXR_END_CONTENT\n";
        }
        framed
    }
}

/// Lines that evcxr would take for its own signals lose that meaning, and look the same.
pub(super) fn guarded(mime: &str, content: &str) -> String {
    if !content.contains("EVCXR_") {
        return content.to_owned();
    }
    let guard = if mime == "text/html" { "EVCXR&#95;" } else { "EVCXR\u{2060}_" };
    content.replace("EVCXR_", guard)
}

/// Text as it may stand in HTML, in an element or in a quoted attribute.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

impl fmt::Debug for MimeBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("MimeBundle of {}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// evcxr 0.22's own reading of a child's standard output.
    fn as_evcxr_reads(framed: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut lines = framed.lines();
        while let Some(line) = lines.next() {
            let mime = line.split("EVCXR_BEGIN_CONTENT ").nth(1).expect("text outside of a block");
            let content: Vec<&str> =
                lines.by_ref().take_while(|line| *line != "EVCXR_END_CONTENT").collect();
            found.push((mime.to_owned(), content.join("\n")));
        }
        found
    }

    #[test]
    fn every_mime_type_stands_once_and_survives_the_framing() {
        let bundle = MimeBundle::html("<b>x</b>\n<i>y</i>", "x\ny");
        let read = as_evcxr_reads(&bundle.framed());
        assert_eq!(
            read,
            [
                ("text/html".to_owned(), "<b>x</b>\n<i>y</i>".to_owned()),
                ("text/plain".to_owned(), "x\ny".to_owned()),
            ]
        );
    }

    #[test]
    fn content_that_holds_the_framings_own_markers_survives() {
        let nasty = "a\nEVCXR_END_CONTENT\nEVCXR_BEGIN_CONTENT text/html\nEVCXR_EXECUTION_COMPLETE\n\
                     EVCXR_PANIC_NOTIFICATION\nb";
        let bundle = MimeBundle::html(escape_html(nasty), nasty);
        let read = as_evcxr_reads(&bundle.framed());
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].1.replace("&#95;", "_"), nasty);
        assert_eq!(read[1].1.replace('\u{2060}', ""), nasty);
        for line in read[1].1.lines() {
            assert!(!line.starts_with("EVCXR_"), "{line}");
        }
    }

    #[test]
    fn html_is_escaped() {
        assert_eq!(escape_html("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
