//! Writes what is generated of the client: messages and stubs, the constants of the
//! service config, and for the conformance program the contract's descriptors.
//!
//! A program instead of a build script, so that whoever builds the client needs neither
//! protoc nor this; its own dependencies are pinned by the lock, so that the same
//! contract always gives the same bytes.

mod service_config;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message as _;
use prost_types::FileDescriptorSet;

const USAGE: &str = "generate DESCRIPTORS SERVICE_CONFIG LIBRARY_FOLDER CONFORMANCE_FOLDER";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [descriptors, config, library, conformance] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let descriptors = FileDescriptorSet::decode(fs::read(descriptors)?.as_slice())?;
    fs::create_dir_all(library)?;
    fs::create_dir_all(conformance)?;
    stubs(descriptors.clone(), library)?;
    fs::write(
        library.join("service_config.rs"),
        service_config::constants(&fs::read_to_string(config)?)?,
    )?;
    fs::write(
        conformance.join("descriptors.binpb"),
        bare(descriptors).encode_to_vec(),
    )?;
    Ok(())
}

/// Writes messages and stubs. Bytes are reference-counted: a request that is kept to be
/// sent again shares its media. The server is there for the client's own tests alone.
fn stubs(descriptors: FileDescriptorSet, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut prost = tonic_prost_build::Config::new();
    prost.bytes(["."]);
    tonic_prost_build::configure()
        .server_mod_attribute(".", "#[cfg(test)]")
        .out_dir(folder)
        .compile_fds_with_config(descriptors, prost)?;
    Ok(())
}

/// The descriptors without comments, which nobody reads at run time.
fn bare(mut descriptors: FileDescriptorSet) -> FileDescriptorSet {
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    descriptors
}
