//! The flags of `mount-s3` that a read-only mount in the foreground has a use for, by the same names and defaults.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Parser, value_parser};
use mountpoint_s3_fs::fs::TimeToLive;
use mountpoint_s3_fs::s3::{Bucket, Prefix, S3PathError};

const LOCK: &str = include_str!("../Cargo.lock");

/// The version of the library that is linked, as the lock file has it.
fn library_version(lock: &str) -> &str {
    lock.split("[[package]]")
        .find(|package| package.contains("name = \"mountpoint-s3-fs\"\n"))
        .and_then(|package| package.split("version = \"").nth(1))
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("unknown")
}

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (mountpoint-s3-fs {})", env!("CARGO_PKG_VERSION"), library_version(LOCK)));

fn bucket(text: &str) -> Result<Bucket, S3PathError> {
    Bucket::new(text)
}

fn permissions(text: &str) -> Result<u16, String> {
    u16::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| format!("{text:?} is not an octal mode between 0 and 777"))
}

#[derive(Parser, Debug)]
#[command(
    version = VERSION.as_str(),
    about = "Mount a bucket with the library of Mountpoint for Amazon S3: read-only, in the foreground",
    after_help = "Example: mountpoint-launcher my-bucket ./mnt --prefix photos/ --read-only --foreground"
)]
pub struct Options {
    /// Name of the bucket
    #[arg(value_name = "BUCKET", value_parser = bucket)]
    pub bucket: Bucket,

    /// Folder to mount it at
    #[arg(value_name = "DIRECTORY")]
    pub directory: PathBuf,

    /// Part of the bucket to mount, ending in '/' [default: all of it]
    #[arg(long)]
    pub prefix: Option<Prefix>,

    /// AWS region of the bucket [default: AWS_REGION, that of the EC2 instance, us-east-1]
    #[arg(long)]
    pub region: Option<String>,

    /// S3 endpoint URL [default: AWS's]
    #[arg(long)]
    pub endpoint_url: Option<String>,

    /// Name the bucket in the path and not in the host
    #[arg(long)]
    pub force_path_style: bool,

    /// Use S3 Transfer Acceleration
    #[arg(long)]
    pub transfer_acceleration: bool,

    /// Use endpoints that also speak IPv6
    #[arg(long)]
    pub dual_stack: bool,

    /// Say that the requester pays
    #[arg(long)]
    pub requester_pays: bool,

    /// Account that must own the bucket
    #[arg(long, value_name = "AWS_ACCOUNT_ID")]
    pub expected_bucket_owner: Option<String>,

    /// Send requests without a signature
    #[arg(long, conflicts_with = "profile")]
    pub no_sign_request: bool,

    /// Profile of the AWS configuration files
    #[arg(long)]
    pub profile: Option<String>,

    /// Required: this launcher mounts no other way
    #[arg(long)]
    pub read_only: bool,

    /// Required: this launcher stays in the foreground
    #[arg(short, long)]
    pub foreground: bool,

    /// Let root see the mount, too
    #[arg(long, conflicts_with = "allow_other")]
    pub allow_root: bool,

    /// Let everyone see the mount
    #[arg(long)]
    pub allow_other: bool,

    /// Unmount when the process ends, however it ends
    #[arg(long)]
    pub auto_unmount: bool,

    /// Owner of all files [default: the current user]
    #[arg(long)]
    pub uid: Option<u32>,

    /// Group of all files [default: the current user's]
    #[arg(long)]
    pub gid: Option<u32>,

    /// Permissions of folders [default: 0755]
    #[arg(long, value_parser = permissions)]
    pub dir_mode: Option<u16>,

    /// Permissions of files [default: 0644]
    #[arg(long, value_parser = permissions)]
    pub file_mode: Option<u16>,

    /// Throughput to aim at [default: what the EC2 instance type has, 10 elsewhere]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub maximum_throughput_gbps: Option<u32>,

    /// Most threads that serve FUSE
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u16).range(1..))]
    pub max_threads: u16,

    /// Memory to stay within [default: 95 % of the machine's or the cgroup's, at least 512]
    #[arg(long, value_name = "MiB", value_parser = value_parser!(u32).range(512..))]
    pub memory_target: Option<u32>,

    /// Size of the parts that objects are fetched in, in bytes
    #[arg(long, value_name = "SIZE", default_value_t = 8 << 20, value_parser = value_parser!(u32).range(1..))]
    pub read_part_size: u32,

    /// Network interfaces to use
    #[arg(long, value_name = "NETWORK_INTERFACE")]
    pub bind: Option<Vec<String>>,

    /// Cache data in this folder, and metadata for 60 seconds
    #[arg(long, value_name = "DIRECTORY")]
    pub cache: Option<PathBuf>,

    /// Most that the cache folder may hold [default: all but 5 % of the disk]
    #[arg(long, value_name = "MiB", requires = "cache", value_parser = value_parser!(u32).range(1..))]
    pub max_cache_size: Option<u32>,

    /// How long metadata is believed [default: minimal, or 60 with --cache]
    #[arg(long, value_name = "SECONDS|indefinite|minimal", value_parser = TimeToLive::new_from_str)]
    pub metadata_ttl: Option<TimeToLive>,

    /// How long a name that was not there is believed to be missing [default: as --metadata-ttl]
    #[arg(long, value_name = "SECONDS|indefinite|minimal", value_parser = TimeToLive::new_from_str)]
    pub negative_metadata_ttl: Option<TimeToLive>,

    /// What goes before the User-Agent of each request
    #[arg(long, value_name = "PREFIX")]
    pub user_agent_prefix: Option<String>,

    /// Log what it does
    #[arg(short, long, conflicts_with = "no_log")]
    pub debug: bool,

    /// Log nothing
    #[arg(long)]
    pub no_log: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_version_names_the_library_that_is_linked() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"9\"\n\n[[package]]\nname = \"mountpoint-s3-fs\"\nversion = \"0.1.2\"\n";
        assert_eq!(library_version(lock), "0.1.2");
        assert_eq!(library_version(""), "unknown");
        assert_ne!(library_version(LOCK), "unknown");
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(permissions("0755"), Ok(0o755));
        assert!(permissions("888").is_err());
        assert!(permissions("1777").is_err());
    }

    #[test]
    fn what_mount_s3_is_told_is_understood() {
        let options = Options::try_parse_from([
            "mountpoint-launcher",
            "bench",
            "/mnt",
            "--prefix",
            "photos/",
            "--read-only",
            "--foreground",
            "--no-log",
            "--endpoint-url",
            "http://127.0.0.1:9000",
            "--force-path-style",
            "--cache",
            "/cache",
            "--max-cache-size",
            "608",
            "--metadata-ttl",
            "indefinite",
        ])
        .expect("these are flags of mount-s3");
        assert_eq!(options.max_cache_size, Some(608));
        assert!(matches!(options.metadata_ttl, Some(TimeToLive::Indefinite)));
        assert_eq!((options.max_threads, options.read_part_size), (16, 8 << 20));
    }
}
