//! A certificate, and who vouches for it.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A certificate for 127.0.0.1 with its key, and the authority that vouches for it.
#[derive(Clone, Debug)]
pub struct Certified {
    /// PEM.
    pub certificate: String,
    /// PEM.
    pub key: String,
    /// The authority's certificate, PEM.
    pub authority: String,
}

impl Certified {
    /// A fresh one, of a fresh authority.
    pub fn fresh() -> Self {
        Self::try_fresh().expect("a certificate can be made")
    }

    fn try_fresh() -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::new([])?;
        // A certificate whose issuer has its own name is taken for one that vouches for itself.
        authority.distinguished_name.push(DnType::CommonName, "an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem(), authority: authority.pem() })
    }
}
