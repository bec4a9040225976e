//! Makes the stubs of the protos in proto/, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["limedbpb/v1/kv.proto"], ["../../proto"])?;
    Ok(tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(files)?)
}
