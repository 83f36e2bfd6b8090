//! What is said of a database, rightly and wrongly.

use resilient::testing::Scope;
use resilient::{DatabaseClient, DatabaseError, database_client, sqlx};
use tempfile::TempDir;

use crate::world::World;

#[test]
fn the_url_is_that_of_the_environment() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}/of.db", folder.path().display());
    let scope = Scope::builder().env("PYNOMALY_DATABASE_URL", &url).build();
    let _inside = scope.enter();
    let client = database_client().unwrap();
    assert!(format!("{client:?}").contains("of.db"), "{client:?}");
}

#[test]
fn without_a_word_it_is_a_file_in_the_working_directory() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let client = database_client().unwrap();
    assert!(format!("{client:?}").contains("sqlite:resilient.db"), "{client:?}");
}

#[test]
fn what_cannot_be_used_is_told_when_the_client_is_built() {
    let refused = |client: Result<DatabaseClient, DatabaseError>| match client {
        Err(DatabaseError::Misconfigured(what)) => what,
        other => panic!("{other:?}"),
    };
    let builder = || DatabaseClient::builder().url("sqlite::memory:").name("wrong");
    assert!(refused(builder().pool_size(0).build()).contains("`pool_size` is 0"));
    assert!(refused(builder().url("oracle://scott:tiger@db").build()).contains("begins with `sqlite:`"));
    assert!(refused(builder().max_attempts(0).build()).contains("max_attempts"));
    let other = DatabaseClient::<sqlx::Postgres>::native().url("sqlite::memory:").build();
    assert!(matches!(other, Err(DatabaseError::Misconfigured(_))), "{other:?}");
}

#[tokio::test]
async fn a_client_of_one_backend_has_its_types_and_statements() {
    let folder = TempDir::new().unwrap();
    let client = DatabaseClient::<sqlx::Sqlite>::native()
        .url(format!("sqlite:{}/native.db", folder.path().display()))
        .name("native")
        .build()
        .unwrap();
    let (answer, mode): (u16, String) = client
        .session(async |mut session| {
            let answer = sqlx::query_scalar("SELECT ?").bind(7_u16).fetch_one(&mut session).await?;
            let mode = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut session).await?;
            Ok((answer, mode))
        })
        .await
        .unwrap();
    assert_eq!((answer, mode.as_str()), (7, "wal"));
}

pub(crate) async fn postgres_as_such_has_its_own_types(world: &World) {
    let client =
        DatabaseClient::<sqlx::Postgres>::native().url(world.url()).name("as_such_postgres").build().unwrap();
    let there_and_back: Vec<i16> = client
        .session(async |mut session| {
            Ok(sqlx::query_scalar("SELECT $1").bind(vec![1_i16, 2]).fetch_one(&mut session).await?)
        })
        .await
        .unwrap();
    assert_eq!(there_and_back, [1, 2]);
    let copied = client
        .session(async |mut session| {
            sqlx::query("CREATE TABLE copied (n BIGINT)").execute(&mut session).await?;
            let mut copy = session.connection().copy_in_raw("COPY copied FROM STDIN").await?;
            copy.send("1\n2\n".as_bytes()).await?;
            Ok(copy.finish().await?)
        })
        .await;
    assert_eq!(copied.unwrap(), 2);
}

pub(crate) async fn mysql_as_such_has_its_own_types(world: &World) {
    let client =
        DatabaseClient::<sqlx::MySql>::native().url(world.url()).name("as_such_mysql").build().unwrap();
    let most: u64 = client
        .session(async |mut session| {
            sqlx::query("CREATE TABLE most (n BIGINT UNSIGNED)").execute(&mut session).await?;
            sqlx::query("INSERT INTO most VALUES (?)").bind(u64::MAX).execute(&mut session).await?;
            Ok(sqlx::query_scalar("SELECT n FROM most").fetch_one(&mut session).await?)
        })
        .await
        .unwrap();
    assert_eq!(most, u64::MAX);
}
