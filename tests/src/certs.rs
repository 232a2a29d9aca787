//! A certificate authority of a test's own, and what it certifies.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

/// See the module.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows, and the key to it, as PEM.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// Nobody trusts it yet.
    ///
    /// # Panics
    /// Where no key can be made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no name is a fault");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// What an operator puts among `roots`.
    #[must_use]
    pub fn root(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// For a name or an address; its time is over if `expired`.
    ///
    /// # Panics
    /// Where that can't be certified.
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
