//! Texts of others, without the passwords in their addresses.

/// `text` without the credentials and the query of any URL in it.
///
/// A second fence: what is shown here should hold none in the first place.
pub(crate) fn scrubbed(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let url = after.split(ends_url).next().unwrap_or_default();
        let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
        // A password may hold what ends an authority: the last `@` before the next blank is the safe one.
        let credentials = url.rfind('@').filter(|at| *at < authority.len() || !url[..*at].contains('/'));
        let kept = &url[credentials.map_or(0, |at| at + 1)..];
        shown.push_str(kept.split(['?', '#']).next().unwrap_or_default());
        rest = &after[url.len()..];
    }
    shown.push_str(rest);
    shown
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

#[cfg(test)]
mod tests {
    use super::scrubbed;

    #[test]
    fn an_address_is_shown_without_its_credentials_and_query() {
        for (text, shown) in [
            ("no answer within 2 s", "no answer within 2 s"),
            ("postgres://admin:hunter2@db:5432/prod?sslkey=hunter2", "postgres://db:5432/prod"),
            ("cannot reach redis://:hunter2@cache/0: refused", "cannot reach redis://cache/0: refused"),
            ("redis://:hunt?er2#x@cache/0", "redis://cache/0"),
            (
                "'https://api.example.com/v1?token=hunter2' and http://u:hunter2@b/",
                "'https://api.example.com/v1' and http://b/",
            ),
            ("https://example.com/@handle", "https://example.com/@handle"),
            ("ends with ://", "ends with ://"),
        ] {
            assert_eq!(scrubbed(text), shown);
        }
    }
}
