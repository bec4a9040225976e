//! Makes the stubs of LimeDB's folder proto/, without protoc: of a copy of it here, or where it is in LimeDB's repository.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = ["proto", "../../proto"]
        .into_iter()
        .find(|folder| Path::new(folder).join("limedbpb").is_dir())
        .ok_or("copy LimeDB's folder proto/ beside Cargo.toml")?;
    println!("cargo::rerun-if-changed={proto}");
    let files = protox::compile(["limedbpb/v1/kv.proto"], [proto])?;
    Ok(tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(files)?)
}
