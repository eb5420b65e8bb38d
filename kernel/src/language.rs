//! What can be said of a cell without compiling it.

use ra_ap_syntax::{AstNode, Edition, SourceFile, SyntaxKind, SyntaxNode, ast};

/// Before a cell's statements, so that they parse as a function's.
const BEFORE: &str = "fn f() {";

/// Whether a cell can be run as it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Completeness {
    Complete,
    /// More is to come, indented by so much.
    Incomplete(String),
    Invalid,
}

/// The cell without evcxr's commands before its code, whose lines become empty.
fn rust_of(code: &str) -> String {
    let mut in_code = false;
    let lines = code.split('\n').map(|line| {
        let begins = line.trim_start();
        let is_command = begins.starts_with(':') || line.starts_with('!');
        in_code |= !(is_command || begins.is_empty() || begins.starts_with("//"));
        if in_code || !is_command { line } else { "" }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether the cell is whole, for a console that asks at each line's end.
pub(crate) fn completeness(code: &str) -> Completeness {
    if beyond_measure(code).is_some() {
        return Completeness::Invalid;
    }
    let rust = rust_of(code);
    let Some(depth) = open_brackets(&rust) else { return Completeness::Invalid };
    if depth > 0 {
        return Completeness::Incomplete("    ".repeat(depth));
    }
    let text = format!("{BEFORE}{rust}\n}}");
    let errors = SourceFile::parse(&text, Edition::Edition2024).errors();
    let end = BEFORE.len() + rust.trim_end().len();
    match errors.iter().map(|error| usize::from(error.range().start())).min() {
        None => Completeness::Complete,
        // What is missing is missing at the end.
        Some(first) if first >= end => Completeness::Incomplete(String::new()),
        Some(_) => Completeness::Invalid,
    }
}

/// How many brackets are open at the end, as if an open string or comment were one; none where one is closed
/// that was not opened.
fn open_brackets(code: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut rest = code.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(character) => return None,
            '"' => loop {
                match rest.next() {
                    Some('\\') => {
                        rest.next();
                    }
                    Some('"') => break,
                    Some(_) => {}
                    None => return Some(open.len() + 1),
                }
            },
            'r' => {
                // A raw string; anything else is a name.
                let mut ahead = rest.clone();
                let mut hashes = 0;
                while ahead.next_if_eq(&'#').is_some() {
                    hashes += 1;
                }
                if ahead.next_if_eq(&'"').is_none() {
                    continue;
                }
                rest = ahead;
                let mut seen = None;
                loop {
                    match (rest.next(), seen) {
                        (Some('"'), _) => seen = Some(0),
                        (Some('#'), Some(count)) => seen = Some(count + 1),
                        (Some(_), _) => seen = None,
                        (None, _) => return Some(open.len() + 1),
                    }
                    if seen == Some(hashes) {
                        break;
                    }
                }
            }
            '\'' => {
                // A character, not a lifetime, if it is closed.
                let mut ahead = rest.clone();
                match (ahead.next(), ahead.next()) {
                    (Some('\\'), _) => {
                        rest.next();
                        rest.next();
                        while rest.next_if(|it| *it != '\'' && *it != '\n').is_some() {}
                        rest.next_if_eq(&'\'');
                    }
                    (Some(_), Some('\'')) => rest = ahead,
                    _ => {}
                }
            }
            '/' if rest.next_if_eq(&'/').is_some() => {
                while rest.next_if(|it| *it != '\n').is_some() {}
            }
            '/' if rest.next_if_eq(&'*').is_some() => {
                let mut depth = 1;
                let mut last = ' ';
                while depth > 0 {
                    let next = match rest.next() {
                        Some(next) => next,
                        None => return Some(open.len() + 1),
                    };
                    match (last, next) {
                        ('/', '*') => (depth, last) = (depth + 1, ' '),
                        ('*', '/') => (depth, last) = (depth - 1, ' '),
                        _ => last = next,
                    }
                }
            }
            _ => {}
        }
    }
    Some(open.len())
}

/// What a cell's code shows of itself.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outline {
    /// Whether it ends with an expression, whose value is shown.
    pub(crate) has_value: bool,
    /// The variables that it declares for the cells after it.
    pub(crate) declared: Vec<String>,
}

pub(crate) fn outline(code: &str) -> Outline {
    let text = format!("{BEFORE}{}\n}}", rust_of(code));
    let file = SourceFile::parse(&text, Edition::Edition2024).syntax_node();
    let body = file.children().find_map(ast::Fn::cast).and_then(|function| function.body());
    let Some(list) = body.and_then(|body| body.stmt_list()) else { return Outline::default() };
    let mut outline = Outline::default();
    let mut last: Option<SyntaxNode> = None;
    for statement in list.syntax().children() {
        if let Some(declaration) = ast::LetStmt::cast(statement.clone())
            && let Some(pattern) = declaration.pat()
        {
            let names = pattern.syntax().descendants().filter_map(ast::IdentPat::cast);
            let names = names.filter_map(|name| ast::HasName::name(&name));
            outline.declared.extend(names.map(|name| name.text().to_string()));
        }
        last = Some(statement);
    }
    outline.has_value = last.is_some_and(|last| {
        ast::Expr::can_cast(last.kind()) || last.kind() == SyntaxKind::MACRO_EXPR
    });
    outline
}

/// Brackets within brackets beyond this take a parser's stack, and are no program.
const DEEPEST: usize = 1_000;
/// The stack that parsing a cell takes at most; what is not used costs nothing.
pub(crate) const PARSER_STACK: usize = 64 << 20;
/// The longest cell that is analysed and compiled, in bytes.
const LONGEST: usize = 4 << 20;

/// Why a cell cannot be compiled here, if it cannot.
pub(crate) fn beyond_measure(code: &str) -> Option<String> {
    if code.len() > LONGEST {
        return Some(format!(
            "this cell has {:.1} MB, and the compiler's analysis takes {} MB at most; read large data from a \
             file instead",
            code.len() as f64 / 1e6,
            LONGEST >> 20,
        ));
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in code.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    (deepest > DEEPEST).then(|| {
        format!("this cell has {deepest} brackets within each other, and {DEEPEST} are the most")
    })
}

/// The byte at which the character of this number begins; the end of the text where there are not as many.
pub(crate) fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte)
}

/// The number of the character that begins at this byte or holds it.
pub(crate) fn character_of(text: &str, byte: usize) -> usize {
    text.char_indices().take_while(|(start, _)| *start < byte).count()
}

/// The end of the name that stands at this byte.
pub(crate) fn end_of_name(text: &str, byte: usize) -> usize {
    let rest = text.get(byte..).unwrap_or_default();
    let length: usize =
        rest.chars().take_while(|it| it.is_alphanumeric() || *it == '_').map(char::len_utf8).sum();
    byte.min(text.len()) + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_cells_are_complete() {
        for code in [
            "1 + 1",
            "let x = 3;",
            "fn f() {}",
            "",
            ":dep regex",
            ":dep a = \"1\"\nuse a::b;\nlet c = '{';",
            "println!(\"{\")",
            "let s = r#\"(\"#;",
            "// a (comment",
            "/* ( /* [ */ */ 1",
            "fn f<'a>(x: &'a str) -> &'a str { x }",
            "'\\''",
        ] {
            assert_eq!(completeness(code), Completeness::Complete, "{code}");
        }
    }

    #[test]
    fn cells_with_more_to_come_are_incomplete() {
        for (code, indent) in [
            ("fn f() {", 4),
            ("foo(\n  [", 8),
            ("let x =", 0),
            ("let s = \"", 4),
            ("/* x", 4),
            ("r#\"x\"", 4),
        ] {
            let more = Completeness::Incomplete(" ".repeat(indent));
            assert_eq!(completeness(code), more, "{code}");
        }
    }

    #[test]
    fn what_cannot_become_a_cell_is_invalid() {
        for code in ["let let x", "}", "fn f( {)"] {
            assert_eq!(completeness(code), Completeness::Invalid, "{code}");
        }
    }

    #[test]
    fn a_cell_has_a_value_where_it_ends_with_an_expression() {
        for (code, has) in [
            ("1 + 1", true),
            ("let x = 1; x", true),
            ("let x = 1;", false),
            ("show!(x)", true),
            ("show!(x);", false),
            ("if a { 1 } else { 2 }", true),
            ("fn f() {}", false),
            (":vars", false),
            (":dep x\nx::y() // why", true),
            ("", false),
        ] {
            assert_eq!(outline(code).has_value, has, "{code}");
        }
    }

    #[test]
    fn a_cells_variables_are_those_of_its_own_lets() {
        let code =
            "let a = 1;\nlet (b, Some(mut c)) = f() else { return };\n{ let d = 1; }\nlet _ = 2;";
        assert_eq!(outline(code).declared, ["a", "b", "c"]);
    }

    #[test]
    fn cells_beyond_any_measure_are_refused() {
        assert_eq!(beyond_measure("foo(bar[1])"), None);
        assert!(beyond_measure(&"(".repeat(10_000)).unwrap().contains("brackets"));
        assert!(beyond_measure(&" ".repeat(10 << 20)).unwrap().contains("10.5 MB"));
    }

    #[test]
    fn places_are_counted_in_characters() {
        let text = "a̐éx";
        assert_eq!(byte_of(text, 2), 3);
        assert_eq!(byte_of(text, 99), text.len());
        assert_eq!(character_of(text, 3), 2);
        assert_eq!(character_of(text, 4), 3);
        assert_eq!(end_of_name("ab.cd e", 4), 5);
        assert_eq!(end_of_name("ab", 9), 2);
    }
}
