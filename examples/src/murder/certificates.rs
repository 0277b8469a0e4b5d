//! The demo authority and the certificate that all nodes of the topology use.

use std::io;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// The names that the nodes' certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes `ca.pem`, `node.pem` and `node.key` in `folder`, unless they are there.
pub(crate) fn ensure(folder: &Path) -> io::Result<()> {
    if ["ca.pem", "node.pem", "node.key"].iter().all(|file| folder.join(file).exists()) {
        return Ok(());
    }
    let (authority, certificate, key) = make().map_err(io::Error::other)?;
    std::fs::write(folder.join("ca.pem"), authority)?;
    std::fs::write(folder.join("node.pem"), certificate)?;
    super::files::write_private(&folder.join("node.key"), key.as_bytes())
}

fn make() -> Result<(String, String, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Corbie demo authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, "Corbie demo node");
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &authority)?;
    Ok((authority.pem(), certificate.pem(), key.serialize_pem()))
}
