//! What Python gives back: the keys of its dictionaries, from the description of nested lists and dictionaries that
//! `torch.utils._pytree` writes, `[1, {"type": ..., "context": ..., "children_spec": [...]}]`.

use serde::Deserialize;

#[derive(Deserialize)]
struct Spec {
    r#type: Option<String>,
    /// JSON once more; of a dictionary its keys.
    context: Option<String>,
    children_spec: Vec<Spec>,
}

/// The names of so many results; none of what cannot be told.
pub(super) fn names(spec: &str, count: usize) -> Vec<Option<String>> {
    let mut names = Vec::new();
    if let Ok((_, spec)) = serde_json::from_str::<(u64, Spec)>(spec) {
        collect(&spec, &mut Vec::new(), false, &mut names);
    }
    match names.len() == count {
        true => names,
        false => vec![None; count],
    }
}

fn collect(spec: &Spec, path: &mut Vec<String>, keyed: bool, names: &mut Vec<Option<String>>) {
    if spec.r#type.is_none() {
        names.push(keyed.then(|| path.join(".")));
        return;
    }
    let keys = serde_json::from_str::<Vec<String>>(spec.context.as_deref().unwrap_or_default());
    let keys = keys.ok().filter(|keys| keys.len() == spec.children_spec.len());
    for (i, child) in spec.children_spec.iter().enumerate() {
        let key = keys.as_ref().and_then(|keys| keys.get(i));
        path.push(key.cloned().unwrap_or_else(|| i.to_string()));
        collect(child, path, keyed || key.is_some(), names);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_called_as_the_keys_of_their_dictionaries() {
        let leaf = r#"{"type": null, "context": null, "children_spec": []}"#;
        let dict = |keys: &str, children: &str| {
            let keys = keys.replace('"', "\\\"");
            format!(
                r#"{{"type": "collections.OrderedDict", "context": "{keys}", "children_spec": [{children}]}}"#
            )
        };
        let tuple = |children: &str| {
            format!(
                r#"{{"type": "builtins.tuple", "context": "null", "children_spec": [{children}]}}"#
            )
        };
        let named = |spec: &str, count| names(&format!("[1, {spec}]"), count);
        let two = dict(r#"["out", "aux"]"#, &format!("{leaf}, {leaf}"));
        assert_eq!(named(&two, 2), [Some("out".into()), Some("aux".into())]);
        assert_eq!(named(&tuple(&format!("{leaf}, {leaf}")), 2), [None, None]);
        let nested = tuple(&format!("{leaf}, {}", dict(r#"["logits"]"#, leaf)));
        assert_eq!(named(&nested, 2), [None, Some("1.logits".into())]);
        assert_eq!(named(leaf, 1), [None]);
        // Of another number of results, or no description at all.
        assert_eq!(named(&two, 3), [None, None, None]);
        assert_eq!(names("", 1), [None]);
    }
}
