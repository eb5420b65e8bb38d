//! The modules in which an operation was called, from the text in its metadata.

use super::program::ModuleCall;

/// The calls that a text such as `key,path,class;key,path,class` tells, outermost first. What is not
/// of this form is left out: no result depends on it.
pub(super) fn calls(text: &str) -> Vec<ModuleCall> {
    text.split(';').filter_map(call).collect()
}

/// PyTorch's own name for no module at all, which it puts around what it added itself.
const NO_MODULE: &str = "_empty_nn_module_stack_from_metadata_hook";

fn call(text: &str) -> Option<ModuleCall> {
    let [key, path, class] = fields(text)?;
    if path == NO_MODULE {
        return None;
    }
    // Since 2.6, keys of later calls end in `@1`, `@2`, ...
    let count = key.rsplit_once('@').and_then(|(_, count)| count.parse().ok());
    Some(ModuleCall { path: plain_path(path), call: count.unwrap_or(0), kind: kind(class).into() })
}

/// The three fields of a call: a comma within brackets separates none.
fn fields(text: &str) -> Option<[&str; 3]> {
    let mut depth = 0i64;
    let mut parts = text.split(|c: char| {
        depth += i64::from(matches!(c, '(' | '[')) - i64::from(matches!(c, ')' | ']'));
        c == ',' && depth == 0
    });
    let fields = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(fields)
}

/// A path as PyTorch 2.5 has it, `getattr(L['self'].layer1, '0').conv1`, becomes `layer1.0.conv1`.
fn plain_path(path: &str) -> String {
    let inner = path.trim_start_matches("getattr(");
    match inner.strip_prefix("L['").and_then(|inner| inner.split_once("']")) {
        Some((_, names)) => {
            names.replace(", '", ".").replace("')", "").trim_start_matches('.').to_owned()
        }
        None => path.to_owned(),
    }
}

/// The last part of a class's name, without what it is generic over.
fn kind(class: &str) -> &str {
    let plain = class.split(['[', '(']).next().unwrap_or(class);
    plain.rsplit('.').next().unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, call: usize, kind: &str) -> ModuleCall {
        ModuleCall { path: path.into(), call, kind: kind.into() }
    }

    #[test]
    fn calls_come_from_outermost_to_innermost_with_their_number() {
        let text = "L__self__,,__main__.Net;L__self__body@2,body,torch.nn.modules.container.\
                    Sequential;L__self__body.0@1,body.0,lib.Block[int, str]";
        let expected =
            [named("", 0, "Net"), named("body", 2, "Sequential"), named("body.0", 1, "Block")];
        assert_eq!(calls(text), expected);
    }

    #[test]
    fn paths_of_older_versions_become_plain_ones() {
        let text = "L__self__,,Net;k,L['self'].body,m.Sequential;\
                    k,getattr(getattr(L['self'].body, '0').inner, '1').conv,m.Conv2d";
        let paths: Vec<String> = calls(text).into_iter().map(|call| call.path).collect();
        assert_eq!(paths, ["", "body", "body.0.inner.1.conv"]);
    }

    #[test]
    fn what_is_no_call_is_left_out() {
        assert_eq!(calls(""), []);
        assert_eq!(calls("a,b;a,b,c,d;)a,b,c;;("), []);
        assert_eq!(calls("k@x,p,"), [named("p", 0, "")]);
        assert_eq!(calls(&format!("{NO_MODULE},{NO_MODULE},{NO_MODULE}")), []);
    }
}
