//! TLS to a Redis server: the certificates that this host trusts (SSL_CERT_FILE names others), no others, no
//! exceptions.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::socket::Socket;

pub(super) type TlsStream = StreamOwned<ClientConnection, Socket<TcpStream>>;

/// Speaks TLS over `stream` with the server called `host`.
pub(super) fn over(stream: Socket<TcpStream>, host: &str) -> io::Result<TlsStream> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config()?), name).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    // Now, so that a certificate that is not trusted is told from a server that is not there.
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(tls)
}

fn config() -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(io::Error::other(format!("no trusted certificates: {why}")));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
