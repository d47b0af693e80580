//! The TLS configuration of connections to other servers.

use std::sync::{Arc, LazyLock};

use rustls::{ClientConfig, RootCertStore};

/// The certificates that the system trusts. They are read once, when the first connection needs them, because parsing
/// all of them takes tens of milliseconds.
static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

/// Returns a configuration that trusts the system's certificates.
pub fn client_config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(Arc::clone(&ROOTS)).with_no_client_auth())
}
