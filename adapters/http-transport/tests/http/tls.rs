//! HTTPS with a certificate that is trusted here, and with the same one where it is not.

use crate::peer::{answer, frames, options, run, welcome};
use onsync_core::wire::{AnswerFrame, Format};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::process::Command;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{self, ServerConfig};

/// Names the server for the process that trusts it.
const TRUSTED: &str = "ONSYNC_TEST_TRUSTED_SERVER";

/// A server with a certificate of an authority made for it; its address, and the authority's certificate.
async fn server() -> (String, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let reply = answer(&frames(Format::Binary, &[welcome(), AnswerFrame::End {}]), &[]);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, reply) = (acceptor.clone(), reply.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut request = vec![0; 1 << 16];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&reply).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (format!("https://localhost:{port}"), authority_certificate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_works_where_its_authority_is_trusted_and_nowhere_else() {
    // This test, again, in a process whose system trusts the authority.
    if let Ok(url) = std::env::var(TRUSTED) {
        assert_eq!(run(options(url)).await.unwrap().len(), 2);
        return;
    }
    let (url, authority) = server().await;
    let error = run(options(url.clone())).await.unwrap_err();
    assert_eq!(error.code(), "tls_failed", "{error}");
    if !cfg!(target_os = "linux") {
        println!(
            "SKIPPED https_works_where_its_authority_is_trusted_and_nowhere_else: only on Linux a process can be told which authorities to trust"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tls::https_works_where_its_authority_is_trusted_and_nowhere_else",
        ])
        .env("SSL_CERT_FILE", &file)
        .env(TRUSTED, url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn the_provider_is_not_installed_for_the_whole_process() {
    let options = options("https://localhost:1".to_owned());
    onsync_http_transport::HttpTransport::new(options).unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}
