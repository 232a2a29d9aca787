//! A certificate authority for tests, and the certificates that it issues.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

/// The authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A server's certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A new authority, which nobody trusts yet.
    ///
    /// # Panics
    /// If no key can be made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each call makes a new authority")]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("an empty list of names is valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// The certificate of the authority, for an operator's `roots`.
    #[must_use]
    pub fn root(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A certificate for a name or an address; if `expired`, its time is over.
    ///
    /// # Panics
    /// If the name can't be certified.
    #[must_use]
    pub fn certifies(&self, name: &str, expired: bool) -> Certified {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name or an address");
        if expired {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Certified { certificate, key: key.serialize_pem() }
    }
}
