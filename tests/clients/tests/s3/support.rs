//! What the tests have in common.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use resilient::{BlockingS3Client, Progress, S3Client, S3ClientBuilder, S3Error, S3Object};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const MIB: usize = 1 << 20;
pub(crate) const BUCKET: &str = "bucket";

/// One of the two ways to call.
pub(crate) struct Side {
    pub(crate) client: S3Client,
    pub(crate) blocking: Option<BlockingS3Client>,
    pub(crate) runtime: Runtime,
    pub(crate) folder: TempDir,
}

macro_rules! ways {
    ($side:ident, $client:ident => $call:expr) => {
        match &$side.blocking {
            Some($client) => $call,
            None => {
                let $client = &$side.client;
                $side.runtime.block_on($call)
            }
        }
    };
}

impl Side {
    pub(crate) fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<S3Object, S3Error> {
        let bytes = bytes.into();
        ways!(self, client => client.put_bytes(BUCKET, key, bytes))
    }

    pub(crate) fn get(&self, key: &str) -> Result<Bytes, S3Error> {
        ways!(self, client => client.get_bytes(BUCKET, key))
    }

    pub(crate) fn head(&self, key: &str) -> Result<S3Object, S3Error> {
        ways!(self, client => client.head(BUCKET, key))
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), S3Error> {
        ways!(self, client => client.delete(BUCKET, key))
    }

    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<S3Object>, S3Error> {
        ways!(self, client => client.list(BUCKET, prefix))
    }

    pub(crate) fn upload(&self, local: &Path, key: &str) -> Result<S3Object, S3Error> {
        ways!(self, client => client.upload_file(local, BUCKET, key))
    }

    pub(crate) fn upload_with(
        &self,
        local: &Path,
        key: &str,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<S3Object, S3Error> {
        ways!(self, client => client.upload_file_with(local, BUCKET, key, progress))
    }

    pub(crate) fn download(&self, key: &str, local: &Path) -> Result<S3Object, S3Error> {
        ways!(self, client => client.download_file(BUCKET, key, local))
    }

    pub(crate) fn download_with(
        &self,
        key: &str,
        local: &Path,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<S3Object, S3Error> {
        ways!(self, client => client.download_file_with(BUCKET, key, local, progress))
    }

    pub(crate) fn health(&self, bucket: Option<&str>) -> resilient::CheckReport {
        match bucket {
            Some(bucket) => ways!(self, client => client.health_check_bucket(bucket)),
            None => ways!(self, client => client.health_check()),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file with these bytes.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// What is in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Runs `test` once for each way to call, with a client of its own for `endpoint`.
pub(crate) fn both(
    name: &str,
    endpoint: &str,
    tune: impl Fn(S3ClientBuilder) -> S3ClientBuilder,
    test: impl Fn(&Side),
) {
    for is_blocking in [false, true] {
        let way = if is_blocking { "blocking" } else { "async" };
        let builder = S3Client::builder()
            .endpoint(endpoint)
            .credentials("AKIAKEY", "hunter2")
            .name(format!("{name}.{way}"))
            .timeout("10s")
            .multipart_from(6 * MIB as u64)
            .part_size(5 * MIB as u64)
            .layers(|layers| layers.max_attempts(3).base_delay("5ms").max_delay("20ms").jitter(false));
        let client = tune(builder).build().unwrap();
        let blocking = is_blocking.then(|| client.blocking());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let folder = tempfile::tempdir().unwrap();
        test(&Side { client, blocking, runtime: runtime.unwrap(), folder });
    }
}

pub(crate) fn plain(builder: S3ClientBuilder) -> S3ClientBuilder {
    builder
}

/// Bytes that are not the same at any two places.
pub(crate) fn content(size: usize) -> Vec<u8> {
    let mut luck = fastrand::Rng::with_seed(size as u64);
    std::iter::repeat_with(|| luck.u8(..)).take(size).collect()
}
