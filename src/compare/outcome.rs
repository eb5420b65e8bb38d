//! One cell of a comparison: a heat map with what was predicted, any picture, or why there is none.

use crate::attribution::{Attribution, End, Heatmap, Target};
use crate::error::{Error, Result};
use crate::look::{Look, Prediction};
use crate::picture::Picture;
use crate::show::Show;

/// What a comparison found in one of its cells.
#[derive(Clone, Debug)]
pub struct Outcome {
    content: Content,
    caption: String,
    prediction: Option<Prediction>,
}

#[derive(Clone, Debug)]
enum Content {
    Heat {
        map: Box<Heatmap>,
        picture: Picture,
    },
    Picture(Picture),
    /// What shows itself in words.
    Text(String),
    /// The error, and as its cell says it.
    Failed(Error, String),
}

impl Outcome {
    pub(super) fn of(look: &Look, method: &dyn Attribution, target: Target) -> Outcome {
        let (output, target) = match target.at_end() {
            Ok((Some(End::Output(output)), target)) => (look.output(output), target),
            Ok((None | Some(End::Layer(_)), _)) => (Ok(look.clone()), target),
            Err(error) => (Err(error), target),
        };
        let look = match &output {
            Ok(look) => look,
            Err(error) => {
                let (content, caption) =
                    (Content::Failed(error.clone(), error.to_string()), String::new());
                return Outcome { content, caption, prediction: None };
            }
        };
        // Before the explanation, so that the layer where it starts comes out of the same pass.
        let prediction = look.predictions(1).ok().map(|predictions| predictions.top());
        let asked = !matches!(target, Target::Predicted);
        let explained = look.explain_for(method, target);
        match explained.and_then(|map| Ok((map.tile()?, map))) {
            Ok(((picture, remarks), map)) => {
                let mut lines = vec![caption(look, &map, prediction.as_ref(), asked)];
                lines.extend(remarks);
                let content = Content::Heat { map: Box::new(map), picture };
                Outcome { content, caption: lines.join("\n"), prediction }
            }
            Err(error) => {
                // The sheet names the method elsewhere.
                let text = error.to_string();
                let text = text.strip_prefix(&format!("{}: ", method.name())).unwrap_or(&text);
                let content = Content::Failed(error.clone(), text.to_owned());
                Outcome { content, caption: String::new(), prediction }
            }
        }
    }

    pub(super) fn any(caption: impl Into<String>, shown: &dyn Show) -> Outcome {
        let bundle = shown.bundle();
        let content = match bundle.as_picture() {
            Some(picture) => Content::Picture(picture.clone()),
            None => Content::Text(bundle.as_text().to_owned()),
        };
        Outcome { content, caption: caption.into(), prediction: None }
    }

    pub(super) fn failed(error: &Error) -> Outcome {
        Outcome {
            content: Content::Failed(error.clone(), error.to_string()),
            caption: String::new(),
            prediction: None,
        }
    }

    /// The heat map, where one was asked for and there is one.
    pub fn heat(&self) -> Option<&Heatmap> {
        match &self.content {
            Content::Heat { map, .. } => Some(map),
            _ => None,
        }
    }

    /// The lines under the picture: the class that is explained and its probability, and the
    /// predicted class where it is another.
    pub fn caption(&self) -> &str {
        &self.caption
    }

    /// The class that the network predicts for the photo, where it predicts one.
    pub fn prediction(&self) -> Option<&Prediction> {
        self.prediction.as_ref()
    }

    /// Why there is no picture.
    pub fn error(&self) -> Option<&Error> {
        match &self.content {
            Content::Failed(error, _) => Some(error),
            _ => None,
        }
    }

    /// The picture as the sheet shows it, where there is one.
    pub fn picture(&self) -> Option<&Picture> {
        match &self.content {
            Content::Heat { picture, .. } | Content::Picture(picture) => Some(picture),
            Content::Text(_) | Content::Failed(..) => None,
        }
    }

    pub(super) fn draw(&mut self, draw: impl Fn(&Heatmap) -> Result<Picture>) -> Result<()> {
        if let Content::Heat { map, picture } = &mut self.content {
            *picture = draw(map)?;
        }
        Ok(())
    }

    /// What stands in the place of a picture that is not there.
    pub(super) fn words(&self) -> Option<String> {
        match &self.content {
            Content::Text(text) => Some(text.clone()),
            Content::Failed(_, text) => Some(brief(text)),
            Content::Heat { .. } | Content::Picture(_) => None,
        }
    }

    /// What does not fit into the cell, but has to be known: the whole of a long error, and what the
    /// method said of its map.
    pub(super) fn notes(&self) -> &[String] {
        match &self.content {
            Content::Heat { map, .. } => map.remarks(),
            Content::Failed(_, text) if brief(text) != *text => std::slice::from_ref(text),
            _ => &[],
        }
    }

    /// What is under the picture, or stands in its place, in one line.
    pub(super) fn said(&self) -> String {
        let words = self.words();
        let lines = words.as_deref().into_iter().chain([self.caption.as_str()]);
        let lines = lines.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join(", ")
    }
}

/// "tiger cat, 62.1 %"; of a class that was asked for, what is predicted instead as well.
fn caption(look: &Look, heat: &Heatmap, prediction: Option<&Prediction>, asked: bool) -> String {
    let percent = |probability: f64| format!(", {:.1} %", 100.0 * probability);
    let mut text = match (heat.class(), heat.probability()) {
        _ if !heat.is_for_target() => {
            let predicted = prediction.map(|prediction| {
                format!(", predicted: {}{}", prediction.name, percent(prediction.probability))
            });
            return "of no class".to_owned() + predicted.as_deref().unwrap_or_default();
        }
        (Some(class), Some(probability)) => look.model().class_name(class) + &percent(probability),
        _ => heat.target().to_owned(),
    };
    if let Some(prediction) = prediction.filter(|_| asked) {
        text += &match heat.class() == Some(prediction.class) {
            true => "\nas predicted".to_owned(),
            false => format!("\npredicted: {}{}", prediction.name, percent(prediction.probability)),
        };
    }
    text
}

/// The first line of an error, cut where it would not fit into a cell.
fn brief(text: &str) -> String {
    const MOST: usize = 200;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        None => line.to_owned(),
        Some((end, _)) => {
            let whole = line[..end].rfind(' ').unwrap_or(end);
            format!("{} …", line[..whole].trim_end())
        }
    }
}
