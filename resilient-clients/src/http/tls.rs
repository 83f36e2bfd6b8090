//! How HTTPS is spoken: rustls with ring, the system's certificates, nothing made the process's default.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::error::HttpError;
use crate::pem;

/// Certificates of authorities, from PEM.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    pem::certificates(pem).ok_or_else(|| HttpError::invalid("the root certificate is not PEM"))
}

/// Trusts whom the system trusts, and `extra`.
///
/// A system without any certificate is no error here: a client that only speaks HTTP needs none, and one that does not
/// is told by the first connection.
pub(super) fn config(extra: Vec<CertificateDer<'static>>) -> Result<ClientConfig, HttpError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(HttpError::invalid)?;
    let own = !extra.is_empty();
    match verifier(extra, provider) {
        Ok(verifier) => {
            Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
        }
        Err(why) if own => Err(HttpError::invalid(format_args!("the root certificate: {why}"))),
        Err(_) => Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()),
    }
}

fn verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    if extra.is_empty() {
        return Ok(Arc::new(Verifier::new(provider)?));
    }
    #[cfg(not(target_os = "android"))]
    return Ok(Arc::new(Verifier::new_with_extra_roots(extra, provider)?));
    #[cfg(target_os = "android")]
    Err(rustls::Error::General("none can be added on Android".into()))
}

/// As many random bytes as the system has for secrets.
pub(super) fn random() -> Result<[u8; 16], HttpError> {
    let mut bytes = [0; 16];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| HttpError::invalid("the system has no random numbers"))?;
    Ok(bytes)
}
