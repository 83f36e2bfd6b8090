//! Clients, and whatever else is made in code, among the operations that there are.

use resilient::testing::Scope;
use resilient::{
    DatabaseClient, HttpClient, Operation, RedisClient, ResilienceConfig, ResilienceError, S3Client, explain,
    operations, resilient,
};

#[resilient(operation_name = "shared", max_attempts = 4)]
fn shared() -> Result<(), ResilienceError> {
    Ok(())
}

fn named(name: &str) -> Vec<Operation> {
    operations().into_iter().filter(|operation| operation.name == name).collect()
}

#[test]
fn what_is_made_in_code_is_listed_and_explained_with_the_functions() {
    let scope = Scope::builder().env("PYNOMALY_OP_PRICES_TIMEOUT", "7s").build();
    let _inside = scope.enter();
    assert!(named("prices").is_empty());
    let made_from = line!();
    let _prices = HttpClient::builder("http://127.0.0.1:1").name("prices").max_attempts(9).build().unwrap();
    let _ledger = DatabaseClient::builder().url("sqlite::memory:").name("ledger").build().unwrap();
    let _cache = RedisClient::builder().name("sessions").build().unwrap();
    let _files = S3Client::builder().anonymous().name("files").build().unwrap();
    let _own = ResilienceConfig::new("own").build().unwrap();
    let kinds = [
        ("prices", "api"),
        ("ledger", "database"),
        ("sessions", "cache"),
        ("files", "file"),
        ("own", "default"),
    ];
    for (line, (name, kind)) in (made_from + 1..).zip(kinds) {
        let found = named(name);
        let [operation] = &found[..] else { panic!("{name}: {found:?}") };
        assert!(!operation.is_annotated && operation.attributes.is_empty(), "{operation:?}");
        assert_eq!(operation.operation_type, kind, "{name}");
        // Where the program made it, and not where the client did.
        let place = format!("{}:{line}", file!());
        assert!(operation.location.ends_with(&place), "{name}: {} is not {place}", operation.location);
        assert_eq!(explain(name).unwrap().operation(), name);
    }
    assert!(operations().is_sorted_by_key(|operation| operation.name));
    let prices = explain("prices").unwrap().to_string();
    assert!(prices.contains("PYNOMALY_OP_PRICES_TIMEOUT") && prices.contains('9'), "{prices}");
    let unknown = explain("legder").unwrap_err();
    assert_eq!(unknown.nearest, Some("ledger"));
    assert!(unknown.known.contains(&"shared") && unknown.known.contains(&"own"), "{unknown}");
}

#[test]
fn a_functions_own_explanation_comes_before_that_of_its_namesake_in_code() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(named("shared").iter().map(|it| it.is_annotated).collect::<Vec<_>>(), [true]);
    let _own = ResilienceConfig::new("shared").max_attempts(2).build().unwrap();
    shared().unwrap();
    assert_eq!(named("shared").len(), 2);
    let explained = explain("shared").unwrap();
    let attempts = explained.parameters().iter().find(|row| row.parameter() == "max_attempts").unwrap();
    assert_eq!(attempts.value(), "4", "{explained}");
}

#[test]
fn each_scope_knows_what_was_made_in_it() {
    let (one, other) = (Scope::new(), Scope::new());
    {
        let _inside = one.enter();
        drop(ResilienceConfig::new("kept").build().unwrap());
        assert_eq!(named("kept").len(), 1, "it stays when it is gone");
    }
    let _inside = other.enter();
    assert!(named("kept").is_empty() && explain("kept").is_err());
}
