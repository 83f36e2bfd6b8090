//! What a database's error codes mean, backend by backend.

use sqlx::error::DatabaseError;

/// What an answer with an error in it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The transaction met another one and was ended for it: again, it may pass.
    Conflict,
    /// The server could not do it now: it goes down, comes up, is too busy, or cut the statement off.
    Unavailable,
    /// The server cannot do it, and will not by itself: its disk is full, its file is no database.
    Broken,
    /// Who asks is not let in.
    Login,
    /// What was asked is wrong: syntax, constraints, privileges.
    Statement,
}

impl Meaning {
    pub(super) fn of(error: &(dyn DatabaseError + 'static)) -> Self {
        #[cfg(feature = "postgres")]
        if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
            return of_sqlstate(error.code());
        }
        #[cfg(feature = "mysql")]
        if let Some(mysql) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
            return of_mysql(mysql.number(), mysql.code().unwrap_or_default());
        }
        #[cfg(feature = "sqlite")]
        if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
            let code = error.code().and_then(|code| code.parse().ok());
            return code.map_or(Self::Broken, of_sqlite);
        }
        let _ = error;
        Self::Broken
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "each backend has its table"))]
fn of_sqlstate(code: &str) -> Meaning {
    match code {
        // Statement completion unknown; a server that goes away; idle too long in a transaction.
        "40003" | "25P03" => Meaning::Unavailable,
        "55P03" => Meaning::Conflict,
        // The disk is full.
        "53100" => Meaning::Broken,
        // No database of that name.
        "3D000" => Meaning::Login,
        _ => match code.get(..2) {
            Some("40") => Meaning::Conflict,
            // Connections, resources, an operator's intervention: cancelled, shut down, starting up.
            Some("08" | "53" | "57") => Meaning::Unavailable,
            Some("28") => Meaning::Login,
            // System errors, configuration, internal errors; and what is no SQLSTATE.
            Some("58" | "F0" | "XX") | None => Meaning::Broken,
            Some(_) => Meaning::Statement,
        },
    }
}

/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>
#[cfg_attr(not(feature = "mysql"), allow(dead_code, reason = "each backend has its table"))]
fn of_mysql(number: u16, sqlstate: &str) -> Meaning {
    match number {
        // A record changed under a snapshot, a lock waited for too long, a deadlock, locked with NOWAIT.
        1020 | 1205 | 1213 | 3572 => Meaning::Conflict,
        // Too many connections, out of memory, shutting down, network errors, interrupted, killed; statements that took
        // too long; what clients call "gone away" and "lost".
        1037
        | 1038
        | 1040
        | 1041
        | 1053
        | 1077
        | 1079
        | 1152
        | 1153..=1161
        | 1203
        | 1226
        | 1317
        | 1927
        | 1969
        | 2002
        | 2003
        | 2006
        | 2013
        | 3024
        | 3168
        | 4031 => Meaning::Unavailable,
        // Access denied, no such database, host blocked or not allowed.
        1044 | 1045 | 1049 | 1129 | 1130 | 1251 | 1698 => Meaning::Login,
        // Disk full, files, storage engine, an error during COMMIT, read-only servers.
        1004..=1006 | 1009..=1036 | 1105 | 1114 | 1180 | 1181 | 1290 | 1836 => Meaning::Broken,
        _ => match sqlstate.get(..2) {
            Some("40") => Meaning::Conflict,
            Some("08") => Meaning::Unavailable,
            Some("28") => Meaning::Login,
            _ => Meaning::Statement,
        },
    }
}

/// <https://www.sqlite.org/rescode.html>: the low byte is the primary code.
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "each backend has its table"))]
fn of_sqlite(code: u32) -> Meaning {
    match code & 0xff {
        // BUSY, LOCKED, PROTOCOL (a lock's), SCHEMA (changed by another).
        5 | 6 | 15 | 17 => Meaning::Conflict,
        // NOMEM, INTERRUPT, IOERR.
        7 | 9 | 10 => Meaning::Unavailable,
        // INTERNAL, READONLY, CORRUPT, FULL, CANTOPEN, NOLFS, NOTADB.
        2 | 8 | 11 | 13 | 14 | 22 | 26 => Meaning::Broken,
        _ => Meaning::Statement,
    }
}

#[cfg(test)]
mod tests {
    use super::Meaning::{Broken, Conflict, Login, Statement, Unavailable};
    use super::*;

    #[test]
    fn sqlstates_mean_what_postgres_says_they_do() {
        for (code, meaning) in [
            ("40001", Conflict),
            ("40P01", Conflict),
            ("55P03", Conflict),
            ("57P01", Unavailable),
            ("57P02", Unavailable),
            ("57P03", Unavailable),
            ("57014", Unavailable),
            ("53300", Unavailable),
            ("08006", Unavailable),
            ("08P01", Unavailable),
            ("40003", Unavailable),
            ("53100", Broken),
            ("XX000", Broken),
            ("", Broken),
            ("28P01", Login),
            ("28000", Login),
            ("3D000", Login),
            ("23505", Statement),
            ("42601", Statement),
            ("42501", Statement),
            ("22012", Statement),
            ("25P02", Statement),
            ("P0001", Statement),
        ] {
            assert_eq!(of_sqlstate(code), meaning, "{code}");
        }
    }

    #[test]
    fn numbers_mean_what_mysql_and_mariadb_say_they_do() {
        for (number, sqlstate, meaning) in [
            (1205, "HY000", Conflict),
            (1213, "40001", Conflict),
            (1020, "HY000", Conflict),
            (2006, "HY000", Unavailable),
            (2013, "HY000", Unavailable),
            (1040, "08004", Unavailable),
            (1053, "08S01", Unavailable),
            (1927, "70100", Unavailable),
            (1969, "70100", Unavailable),
            (3024, "HY000", Unavailable),
            (1045, "28000", Login),
            (1049, "42000", Login),
            (1114, "HY000", Broken),
            (1180, "HY000", Broken),
            (1062, "23000", Statement),
            (1064, "42000", Statement),
            (1305, "42000", Statement),
            (1146, "42S02", Statement),
        ] {
            assert_eq!(of_mysql(number, sqlstate), meaning, "{number}");
        }
    }

    #[test]
    fn extended_codes_of_sqlite_mean_what_their_low_byte_does() {
        for (code, meaning) in [
            (5, Conflict),
            (517, Conflict),
            (6, Conflict),
            (262, Conflict),
            (9, Unavailable),
            (14, Broken),
            (13, Broken),
            (26, Broken),
            (1, Statement),
            (19, Statement),
            (2067, Statement),
        ] {
            assert_eq!(of_sqlite(code), meaning, "{code}");
        }
    }
}
