//! Whom a client trusts, and what it shows of itself.

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::error::RedisError;
use crate::pem;

#[derive(Default)]
pub(super) struct Tls {
    /// PEM, one after another.
    roots: Option<Vec<u8>>,
    own: Option<ClientTlsConfig>,
}

impl Tls {
    pub(super) fn trust(&mut self, pem: &[u8]) {
        let roots = self.roots.get_or_insert_default();
        roots.extend_from_slice(pem);
        roots.push(b'\n');
    }

    pub(super) fn show(&mut self, certificate: &[u8], key: &[u8]) {
        self.own = Some(ClientTlsConfig { client_cert: certificate.to_owned(), client_key: key.to_owned() });
    }

    /// What the redis crate is told; `None` where nothing was said.
    pub(super) fn certificates(self) -> Result<Option<TlsCertificates>, RedisError> {
        let Self { roots: root_cert, own: client_tls } = self;
        if root_cert.as_deref().is_some_and(|roots| pem::certificates(roots).is_none()) {
            return Err(RedisError::Invalid("the root certificate is not PEM".into()));
        }
        if let Some(ClientTlsConfig { client_cert, client_key }) = &client_tls {
            if pem::certificates(client_cert).is_none() {
                return Err(RedisError::Invalid("the client's certificate is not PEM".into()));
            }
            if PrivateKeyDer::from_pem_slice(client_key).is_err() {
                return Err(RedisError::Invalid("the key of the client's certificate is not PEM".into()));
            }
        }
        let is_said = root_cert.is_some() || client_tls.is_some();
        Ok(is_said.then_some(TlsCertificates { client_tls, root_cert }))
    }
}
