//! Where the database is: what its URL says, and what it leaves to be said.

use std::net::IpAddr;

use url::Url;

use super::backend::Dialect;
use super::error::DatabaseError;
use crate::address::Address;

/// A URL that was understood.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) dialect: Dialect,
    /// Without its secrets.
    pub(super) address: String,
}

impl Target {
    pub(super) fn read(text: &str) -> Result<Self, DatabaseError> {
        let wrong = |what: String| DatabaseError::Misconfigured(format!("the database's URL is {what}"));
        let address = Address::parse(text.trim()).map_err(|why| wrong(why.to_string()))?;
        let mut url = address.url().clone();
        let Some(dialect) = Dialect::of(url.scheme()) else {
            // The scheme of a text that is no URL after all may be anything, a password's beginning too.
            return Err(wrong(
                "of no backend: it begins with `sqlite:`, `postgres://`, `mysql://` or `mariadb://`"
                    .to_owned(),
            ));
        };
        if !dialect.is_compiled_in() {
            let name = dialect.name();
            return Err(DatabaseError::Misconfigured(format!(
                "the database's URL is of {name}, which is not compiled in: \
                 `resilient` needs its feature `{name}`"
            )));
        }
        complete(&mut url, dialect);
        Ok(Self { url, dialect, address: address.to_string() })
    }

    /// Whether each connection would have a database of its own, which is gone with it.
    pub(super) fn is_in_memory(&self) -> bool {
        self.dialect == Dialect::Sqlite
            && (self.url.as_str().contains(":memory:")
                || said(&self.url, &["mode"]).is_some_and(|it| it == "memory"))
    }
}

/// Says what was not said: a file is made where there is none, and a server elsewhere has to show its certificate.
fn complete(url: &mut Url, dialect: Dialect) {
    let (asks, words) = match dialect {
        Dialect::Sqlite => {
            if !url.as_str().contains(":memory:") && said(url, &["mode"]).is_none() {
                url.query_pairs_mut().append_pair("mode", "rwc");
            }
            return;
        }
        Dialect::Postgres => (["sslmode", "ssl-mode"], "verify-full"),
        Dialect::MySql => (["ssl-mode", "sslmode"], "VERIFY_IDENTITY"),
    };
    if said(url, &asks).is_none() && !is_local(url) {
        url.query_pairs_mut().append_pair(asks[0], words);
    }
}

fn said(url: &Url, names: &[&str]) -> Option<String> {
    url.query_pairs().find(|(name, _)| names.contains(&&**name)).map(|(_, value)| value.into_owned())
}

/// A socket, or this machine's own address.
fn is_local(url: &Url) -> bool {
    let elsewhere = said(url, &["host", "hostaddr"]);
    let host = elsewhere.or_else(|| url.host_str().map(str::to_owned)).unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    said(url, &["socket"]).is_some()
        || host.is_empty()
        || host.starts_with('/')
        || host.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case("%2f"))
        || host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        let dialect = Dialect::of(url.scheme()).unwrap();
        complete(&mut url, dialect);
        url.to_string()
    }

    #[test]
    fn a_server_on_another_machine_has_to_show_its_certificate_unless_the_url_says_otherwise() {
        for (url, whole) in [
            ("postgres://db/app", "postgres://db/app?sslmode=verify-full"),
            ("postgres://db/app?sslmode=disable", "postgres://db/app?sslmode=disable"),
            ("postgres://localhost/app", "postgres://localhost/app"),
            ("postgres://localhost/app?host=db", "postgres://localhost/app?host=db&sslmode=verify-full"),
            ("postgres://127.0.0.1:5433/app", "postgres://127.0.0.1:5433/app"),
            ("postgres://[::1]/app", "postgres://[::1]/app"),
            ("postgres://%2Frun%2Fpostgresql/app", "postgres://%2Frun%2Fpostgresql/app"),
            ("postgres:///app?host=/run/postgresql", "postgres:///app?host=/run/postgresql"),
            ("mysql://10.0.0.7/app", "mysql://10.0.0.7/app?ssl-mode=VERIFY_IDENTITY"),
            ("mariadb://127.0.0.1/app", "mariadb://127.0.0.1/app"),
            ("mysql://db/app?ssl-mode=REQUIRED", "mysql://db/app?ssl-mode=REQUIRED"),
        ] {
            assert_eq!(completed(url), whole);
        }
    }

    #[test]
    fn a_file_is_made_where_there_is_none_unless_the_url_says_otherwise() {
        for (url, whole) in [
            ("sqlite:resilient.db", "sqlite:resilient.db?mode=rwc"),
            ("sqlite:resilient.db?mode=ro", "sqlite:resilient.db?mode=ro"),
            ("sqlite::memory:", "sqlite::memory:"),
        ] {
            assert_eq!(completed(url), whole);
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_says_why_and_shows_no_secret() {
        for url in ["hunter2", "hunter2://db", "oracle://scott:hunter2@db"] {
            let error = Target::read(url).err().unwrap();
            assert!(matches!(error, DatabaseError::Misconfigured(_)), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_backend_that_is_not_compiled_in_is_named_with_its_feature() {
        for (url, feature) in
            [("postgres://db", "postgres"), ("mysql://db", "mysql"), ("sqlite:x.db", "sqlite")]
        {
            match Target::read(url) {
                Ok(target) => assert!(target.dialect.is_compiled_in()),
                Err(error) => {
                    assert!(error.to_string().contains(&format!("its feature `{feature}`")), "{error}");
                }
            }
        }
    }
}
