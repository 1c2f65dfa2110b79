//! Mounts a bucket read-only with `mountpoint-s3-fs`, the library of Mountpoint for Amazon S3.
//!
//! AWS publishes `mount-s3` as packages for some systems only, but its library as a crate. This is the least that turns
//! the one into the other: flags in, one mount, until a signal or an unmount ends it. What `mount-s3` has for writing,
//! for going into the background, and for caches in S3 Express is left out.

mod options;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use mountpoint_s3_client::config::{AddressingStyle, S3ClientAuthConfig};
use mountpoint_s3_client::instance_info::InstanceInfo;
use mountpoint_s3_client::user_agent::UserAgent;
use mountpoint_s3_fs::data_cache::{CacheLimit, DataCacheConfig, DiskDataCacheConfig, ManagedCacheDir};
use mountpoint_s3_fs::fs::{CacheConfig, TimeToLive};
use mountpoint_s3_fs::fuse::config::{FuseOptions, FuseSessionConfig, MountPoint};
use mountpoint_s3_fs::fuse::session::FuseSession;
use mountpoint_s3_fs::logging::{LoggingConfig, init_logging};
use mountpoint_s3_fs::memory::{CandidateSize, MINIMUM_MEM_LIMIT, PagedPool, effective_total_memory};
use mountpoint_s3_fs::s3::config::{ClientConfig, MemoryLimitSetting, PartConfig, TargetThroughputSetting};
use mountpoint_s3_fs::s3::{S3Path, S3Personality};
use mountpoint_s3_fs::{
    MountpointConfig, Runtime, S3FilesystemConfig, Superblock, SuperblockConfig, autoconfigure, metrics,
};

use crate::options::Options;

const CACHE_BLOCK_BYTES: usize = 1 << 20;
const METADATA_TTL_WITH_CACHE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mountpoint-launcher: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<()> {
    ensure!(
        options.read_only && options.foreground,
        "only read-only mounts in the foreground: give --read-only and --foreground"
    );
    let _logging = init_logging(logging(&options)).context("logging cannot start")?;
    let _metrics = metrics::install(None).context("metrics cannot start")?;
    let session = mount(&options)?;
    println!("{} is mounted at {}", options.bucket, options.directory.display());
    session.join().context("the mount did not end well")
}

fn logging(options: &Options) -> LoggingConfig {
    let filter = match (options.no_log, options.debug) {
        (true, _) => "off",
        (false, true) => "debug,awscrt=off",
        (false, false) => "warn,awscrt=off",
    };
    LoggingConfig { log_file: None, log_to_stdout: true, default_filter: filter.to_owned() }
}

fn mount(options: &Options) -> Result<FuseSession> {
    let fuse = fuse_session(options)?;
    let path = S3Path::new(options.bucket.clone(), options.prefix.clone().unwrap_or_default());
    let memory = memory_target(options.memory_target);
    let client_config = client(options, memory)?;
    let pool = memory_pool(&client_config, memory);
    let client = client_config
        .create_client(pool.clone(), Some(&path))
        .with_context(|| format!("{} cannot be listed", path.bucket_description()))?;
    let personality = S3Personality::infer_from_bucket(&path.bucket, &client.endpoint_config());
    let runtime = Runtime::new(client.event_loop_group());

    let filesystem = filesystem(options, personality);
    let superblock = Superblock::new(
        client.clone(),
        path,
        SuperblockConfig { cache_config: filesystem.cache_config.clone(), s3_personality: personality },
    );
    let cache_folder = options.cache.as_deref().map(fresh_cache_folder).transpose()?;
    let mut session = MountpointConfig::new(fuse, filesystem, data_cache(options, cache_folder.as_ref()))?
        .create_fuse_session(superblock, client, runtime, pool)
        .with_context(|| format!("{} cannot be mounted on", options.directory.display()))?;
    session.run_on_close(Box::new(move || drop(cache_folder))); // which deletes it
    Ok(session)
}

fn fuse_session(options: &Options) -> Result<FuseSessionConfig> {
    let fuse_options = FuseOptions {
        read_only: true,
        auto_unmount: options.auto_unmount,
        allow_root: options.allow_root,
        allow_other: options.allow_other,
        clone_fd: false,
    };
    FuseSessionConfig::new(MountPoint::new(&options.directory)?, fuse_options, options.max_threads.into())
}

/// 95 % of what there is, as `mount-s3` takes it, unless told otherwise.
fn memory_target(mib: Option<u32>) -> MemoryLimitSetting {
    match mib {
        Some(mib) => MemoryLimitSetting::User((mib as usize) << 20),
        None => {
            MemoryLimitSetting::Default(MINIMUM_MEM_LIMIT.max((effective_total_memory() / 100 * 95) as usize))
        }
    }
}

fn client(options: &Options, memory: MemoryLimitSetting) -> Result<ClientConfig> {
    let instance = InstanceInfo::new();
    let throughput_target = match options.maximum_throughput_gbps {
        Some(gbps) => TargetThroughputSetting::User { gbps: gbps.into() },
        None => match autoconfigure::network_throughput(&instance) {
            Ok(gbps) => TargetThroughputSetting::Instance { gbps },
            Err(_) => TargetThroughputSetting::Default,
        },
    };
    let auth_config = match &options.profile {
        _ if options.no_sign_request => S3ClientAuthConfig::NoSigning,
        Some(profile) => S3ClientAuthConfig::Profile(profile.clone()),
        None => S3ClientAuthConfig::Default,
    };
    Ok(ClientConfig {
        region: autoconfigure::get_region(&instance, options.region.clone()),
        endpoint_url: options.endpoint_url.clone(),
        addressing_style: if options.force_path_style {
            AddressingStyle::Path
        } else {
            AddressingStyle::Automatic
        },
        dual_stack: options.dual_stack,
        transfer_acceleration: options.transfer_acceleration,
        auth_config,
        requester_pays: options.requester_pays,
        expected_bucket_owner: options.expected_bucket_owner.clone(),
        throughput_target,
        bind: options.bind.clone(),
        part_config: PartConfig::with_part_size(options.read_part_size as usize).validate(memory)?,
        user_agent: UserAgent::new_with_instance_info(options.user_agent_prefix.clone(), &instance),
        tls_config: None,
    })
}

/// Buffers of the two sizes that reading needs: a part of an object, and a block of the cache.
fn memory_pool(client: &ClientConfig, memory: MemoryLimitSetting) -> PagedPool {
    let sizes = [client.part_config.read_size_bytes, CACHE_BLOCK_BYTES].map(CandidateSize::prunable);
    PagedPool::config().with_candidate_sizes(sizes).with_memory_limit(memory.bytes()).build()
}

fn filesystem(options: &Options, s3_personality: S3Personality) -> S3FilesystemConfig {
    let ttl = options.metadata_ttl.unwrap_or(match options.cache {
        Some(_) => TimeToLive::Duration(METADATA_TTL_WITH_CACHE),
        None => TimeToLive::Minimal,
    });
    let mut cache_config = CacheConfig::new(ttl);
    if let Some(negative) = options.negative_metadata_ttl {
        cache_config = cache_config.with_negative_metadata_ttl(negative);
    }
    let default = S3FilesystemConfig::default();
    S3FilesystemConfig {
        cache_config,
        s3_personality,
        read_only: true,
        uid: options.uid.unwrap_or(default.uid),
        gid: options.gid.unwrap_or(default.gid),
        dir_mode: options.dir_mode.unwrap_or(default.dir_mode),
        file_mode: options.file_mode.unwrap_or(default.file_mode),
        ..default
    }
}

fn fresh_cache_folder(parent: &Path) -> Result<ManagedCacheDir> {
    ManagedCacheDir::new_from_parent_with_cache_key(parent, None, true)
        .with_context(|| format!("no cache folder can be made in {}", parent.display()))
}

fn data_cache(options: &Options, folder: Option<&ManagedCacheDir>) -> DataCacheConfig {
    DataCacheConfig {
        disk_cache_config: folder.map(|folder| DiskDataCacheConfig {
            cache_directory: folder.as_path_buf(),
            block_size: CACHE_BLOCK_BYTES as u64,
            limit: match options.max_cache_size {
                Some(mib) => CacheLimit::TotalSize { max_size: (mib as usize) << 20 },
                None => CacheLimit::default(),
            },
        }),
        express_cache_config: None,
    }
}
