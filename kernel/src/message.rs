//! Jupyter's messages: requests as they come, and what the kernel sends.

use std::sync::Arc;

use bytes::Bytes;
use jupyter_protocol::{Header, JupyterMessage, JupyterMessageContent, UnknownMessage};
use jupyter_zmq_client::RawMessage;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

/// The version of the protocol that the kernel speaks.
pub(crate) const PROTOCOL: &str = "5.4";

/// The channels that the kernel sends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Channel {
    Shell,
    Control,
    Stdin,
    Iopub,
}

/// A message that came, in order and signed rightly.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) channel: Channel,
    identities: Vec<Bytes>,
    header: Header,
    /// Always an object.
    pub(crate) content: Value,
}

/// Why there is nothing in a message to answer.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// There is nobody to tell.
    Ignored(String),
    /// The sender is known, and hears that the rest makes no sense.
    Answered(Box<Request>, String),
}

impl Request {
    pub(crate) fn parse(channel: Channel, raw: RawMessage) -> Result<Self, Unusable> {
        let [header, _, _, content, ..] = raw.jparts.as_slice() else {
            return Err(Unusable::Ignored("a message has too few parts".to_owned()));
        };
        let header = header_of(header)
            .ok_or_else(|| Unusable::Ignored("a message's header makes no sense".to_owned()))?;
        let parsed = serde_json::from_slice(content);
        let (content, problem) = match parsed {
            Ok(Value::Object(content)) => (content, None),
            Ok(_) => (Map::new(), Some("its content is no object".to_owned())),
            Err(error) => (Map::new(), Some(format!("its content is no JSON: {error}"))),
        };
        let content = Value::Object(content);
        let request = Request { channel, identities: raw.zmq_identities, header, content };
        match problem {
            None => Ok(request),
            Some(problem) => Err(Unusable::Answered(Box::new(request), problem)),
        }
    }

    /// `execute_request`, say.
    pub(crate) fn kind(&self) -> &str {
        &self.header.msg_type
    }

    /// A text in the content, or else an empty one.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.content[name].as_str().unwrap_or_default()
    }

    /// A yes or no in the content.
    pub(crate) fn flag(&self, name: &str, otherwise: bool) -> bool {
        self.content[name].as_bool().unwrap_or(otherwise)
    }

    /// A count in the content.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.content[name].as_u64().and_then(|number| usize::try_from(number).ok())
    }
}

/// Missing words are empty: what counts is the type, and the identity by which the sender knows the answer.
fn header_of(bytes: &[u8]) -> Option<Header> {
    let mut header: Value = serde_json::from_slice(bytes).ok()?;
    let words = header.as_object_mut()?;
    for name in ["msg_id", "username", "session", "version"] {
        if !words.get(name).is_some_and(Value::is_string) {
            words.insert(name.to_owned(), "".into());
        }
    }
    serde_json::from_value(header).ok()
}

/// Where everything goes that the kernel sends, in this order.
#[derive(Clone)]
pub(crate) struct Publisher {
    outgoing: mpsc::Sender<Outgoing>,
}

/// Something on its way to the sockets.
pub(crate) enum Outgoing {
    Message(Channel, Box<JupyterMessage>),
    /// Everything before is sent.
    Flushed(tokio::sync::oneshot::Sender<()>),
}

impl Publisher {
    /// And where it is taken from. When the sockets do not follow, whoever sends waits.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Outgoing>) {
        let (outgoing, receiver) = mpsc::channel(256);
        (Publisher { outgoing }, receiver)
    }

    /// Tells all front ends, on behalf of a request, from a thread that may wait.
    pub(crate) fn tell(&self, parent: Option<&Request>, kind: &str, content: Value) {
        let message = Box::new(message(parent, topic(kind), kind, content));
        let _ = self.outgoing.blocking_send(Outgoing::Message(Channel::Iopub, message));
    }

    /// Answers a request, from a thread that may wait.
    pub(crate) fn reply(&self, to: &Request, kind: &str, content: Value) {
        let message = Box::new(message(Some(to), to.identities.clone(), kind, content));
        let _ = self.outgoing.blocking_send(Outgoing::Message(to.channel, message));
    }

    /// Asks whoever sent a request for a line of input.
    pub(crate) fn ask(&self, of: &Request, prompt: &str, password: bool) {
        let content = json!({"prompt": prompt, "password": password});
        let message = Box::new(message(Some(of), of.identities.clone(), "input_request", content));
        let _ = self.outgoing.blocking_send(Outgoing::Message(Channel::Stdin, message));
    }

    /// Answers a request, from the sockets' side.
    pub(crate) async fn answer(&self, to: &Request, kind: &str, content: Value) {
        self.send(to.channel, message(Some(to), to.identities.clone(), kind, content)).await;
    }

    /// Tells all front ends, from the sockets' side.
    pub(crate) async fn announce(&self, parent: Option<&Request>, kind: &str, content: Value) {
        self.send(Channel::Iopub, message(parent, topic(kind), kind, content)).await;
    }

    /// Waits until everything is on its way.
    pub(crate) async fn flush(&self) {
        let (done, flushed) = tokio::sync::oneshot::channel();
        if self.outgoing.send(Outgoing::Flushed(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }

    async fn send(&self, channel: Channel, message: JupyterMessage) {
        let _ = self.outgoing.send(Outgoing::Message(channel, Box::new(message))).await;
    }
}

fn topic(kind: &str) -> Vec<Bytes> {
    vec![Bytes::from(format!("kernel.{kind}"))]
}

fn message(
    parent: Option<&Request>,
    identities: Vec<Bytes>,
    kind: &str,
    content: Value,
) -> JupyterMessage {
    let content = UnknownMessage { msg_type: kind.to_owned(), content };
    let mut message = JupyterMessage::new(JupyterMessageContent::UnknownMessage(content), None);
    message.zmq_identities = identities;
    message.header.username = "kernel".to_owned();
    message.header.version = PROTOCOL.to_owned();
    message.parent_header = parent.map(|parent| parent.header.clone());
    message
}

/// A request on whose behalf something happens.
pub(crate) type Parent = Arc<Request>;

/// The forms of a thing to show, by MIME type, as messages carry them.
pub(crate) fn bundle(entries: impl IntoIterator<Item = (String, String)>) -> Value {
    let carried = entries.into_iter().map(|(mime, content)| {
        let is_json = mime == "application/json" || mime.ends_with("+json");
        let parsed = is_json.then(|| serde_json::from_str(&content).ok()).flatten();
        (mime, parsed.unwrap_or(Value::String(content)))
    });
    Value::Object(carried.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(parts: &[&str]) -> RawMessage {
        let jparts = parts.iter().map(|part| Bytes::from(part.to_string())).collect();
        RawMessage { zmq_identities: vec![Bytes::from_static(b"front end")], jparts }
    }

    #[test]
    fn a_request_is_read_however_little_it_says() {
        let raw = raw(&[r#"{"msg_type": "execute_request"}"#, "{}", "{}", r#"{"code": "1"}"#]);
        let request = Request::parse(Channel::Shell, raw).unwrap();
        assert_eq!((request.kind(), request.text("code")), ("execute_request", "1"));
        assert!(request.flag("stop_on_error", true));
        assert_eq!(request.number("cursor_pos"), None);
    }

    #[test]
    fn what_is_no_json_is_answered_where_the_sender_is_known() {
        let header = r#"{"msg_type": "execute_request", "msg_id": "7"}"#;
        for content in ["", "{", "3", "nothing"] {
            match Request::parse(Channel::Shell, raw(&[header, "{}", "{}", content])) {
                Err(Unusable::Answered(request, problem)) => {
                    assert_eq!(request.header.msg_id, "7");
                    assert!(problem.contains("content"), "{problem}");
                }
                other => panic!("{other:?}"),
            }
        }
        for broken in ["", "[]", "{}", r#"{"msg_type": 3}"#] {
            let ignored = Request::parse(Channel::Shell, raw(&[broken, "{}", "{}", "{}"]));
            assert!(matches!(ignored, Err(Unusable::Ignored(_))), "{ignored:?}");
        }
        let ignored = Request::parse(Channel::Shell, raw(&[header]));
        assert!(matches!(ignored, Err(Unusable::Ignored(_))), "{ignored:?}");
    }

    #[test]
    fn an_answer_carries_the_header_of_its_request() {
        let header = r#"{"msg_type": "x_request", "msg_id": "7", "session": "s", "date": "2026-01-01T00:00:00Z"}"#;
        let request = Request::parse(Channel::Shell, raw(&[header, "{}", "{}", "{}"])).unwrap();
        let reply = message(Some(&request), vec![], "x_reply", json!({"status": "ok"}));
        assert_eq!(reply.parent_header.unwrap().msg_id, "7");
        assert_eq!(reply.header.msg_type, "x_reply");
        assert_eq!(serde_json::to_value(&reply.content).unwrap(), json!({"status": "ok"}));
    }

    #[test]
    fn json_among_the_forms_is_carried_as_json() {
        let forms = [
            ("application/vnd.plotly.v1+json", "{\"a\":1}"),
            ("application/json", "broken"),
            ("text/plain", "{}"),
        ];
        let forms = bundle(forms.map(|(mime, content)| (mime.to_owned(), content.to_owned())));
        assert_eq!(forms["application/vnd.plotly.v1+json"], json!({"a": 1}));
        assert_eq!(forms["application/json"], json!("broken"));
        assert_eq!(forms["text/plain"], json!("{}"));
    }
}
