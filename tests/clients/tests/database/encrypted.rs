//! TLS: who has to show what.

use resilient::{Class, Classify as _, DatabaseError};
use resilient_clients_tests::Certified;

use crate::world::{Backend, World, assert_harmless};

pub(crate) async fn a_certificate_that_nobody_vouches_for_is_refused_and_one_that_is_is_not(world: &World) {
    let plain = world.builder().url(world.url_with(&[("sslmode", "require"), ("ssl-mode", "REQUIRED")]));
    let error = plain.build().unwrap().read(async |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Misconfigured(_)), "{error:?}");
    assert!(error.to_string().contains("no TLS"), "{error}");
    assert_eq!(error.class(), Class::Permanent);
    assert_harmless(&error);

    let certified = Certified::fresh();
    let encrypted = match world.backend {
        Backend::Postgres => World::postgres_with(Some(&certified)),
        _ => World::mariadb_with(Some(&certified)),
    };
    let verify = [("sslmode", "verify-full"), ("ssl-mode", "VERIFY_IDENTITY")];
    let strange = encrypted.builder().url(encrypted.url_with(&verify)).build().unwrap();
    let error = strange.read(async |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Misconfigured(_)), "{error:?}");

    let authority = encrypted.folder().join("authority.pem");
    std::fs::write(&authority, &certified.authority).unwrap();
    let url = format!("{}&ssl-ca={}", encrypted.url_with(&verify), authority.display());
    let client = encrypted.builder().url(url).name("vouched_for").build().unwrap();
    encrypted.make_tables().await;
    encrypted.insert(&client, 1).await.unwrap();
    assert_eq!(encrypted.numbers().await, [1]);
}
