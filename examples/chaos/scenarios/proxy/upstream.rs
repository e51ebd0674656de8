//! The way from the proxy to the API server.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::message::Message;

/// A connection that carries one request.
pub(super) type Stream = BufReader<StreamOwned<ClientConnection, TcpStream>>;

pub(super) struct Upstream {
    port: u16,
    tls: Arc<ClientConfig>,
}

impl Upstream {
    /// Trusts exactly the certificates in a file.
    pub(super) fn new(port: u16, certificates: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(certificates).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { port, tls: Arc::new(tls) }
    }

    /// Sends a request on a connection of its own, and reads the head of the answer.
    pub(super) fn ask(&self, request: Message) -> std::io::Result<(Message, Stream)> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        socket.set_nodelay(true)?;
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        let tls = ClientConnection::new(self.tls.clone(), name).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(tls, socket);
        stream.write_all(&request.with_connection(Some("close")).bytes())?;
        stream.flush()?;
        let mut stream = BufReader::new(stream);
        let answer = Message::read_answer_head(&mut stream)?;
        Ok((answer.with_connection(None), stream))
    }
}

/// Reads the rest of an answer. A server that hangs up without a good-bye has said everything.
pub(super) fn read_rest(stream: &mut Stream, answer: &mut Message) -> std::io::Result<()> {
    match stream.read_to_end(&mut answer.body) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(()),
    }
}
