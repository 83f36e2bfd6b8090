//! Certificates as people have them.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Those that are there; `None` where there is none, or one that cannot be read.
pub(crate) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let read: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!read.is_empty()).then_some(read)
}
