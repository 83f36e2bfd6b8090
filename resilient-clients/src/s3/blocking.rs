//! The S3 client for code that is not async.

use std::future::Future;
use std::path::Path;

use bytes::Bytes;
use resilient_runtime::CheckReport;

use super::client::{Progress, S3Client, S3Object};
use super::error::S3Error;
use crate::blocking::wait;

/// The [`S3Client`] for code that is not async: the same requests, layers and errors.
///
/// The work is done on one thread, which all blocking clients of the process share; the deadline, the span and the test
/// scope around a call go with it.
///
/// The trap: it may be called on a worker of a tokio runtime, and blocks that worker; a callback runs on the shared thread.
///
/// ```no_run
/// # use resilient_clients as resilient;
/// # fn main() -> Result<(), resilient::S3Error> {
/// let s3 = resilient::s3_client()?.blocking();
/// s3.download_file("models", "v7/model.bin", "model.bin")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BlockingS3Client {
    client: S3Client,
}

impl BlockingS3Client {
    pub(super) fn of(client: S3Client) -> Self {
        Self { client }
    }

    fn done<T, F>(&self, work: impl FnOnce(S3Client) -> F + Send + 'static) -> Result<T, S3Error>
    where
        F: Future<Output = Result<T, S3Error>> + Send + 'static,
        T: Send + 'static,
    {
        let client = self.client.clone();
        wait(async move { work(client).await }).map_err(S3Error::invalid)?
    }

    /// As [`S3Client::put_bytes`].
    ///
    /// # Errors
    ///
    /// As of [`S3Client::put_bytes`].
    pub fn put_bytes(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> Result<S3Object, S3Error> {
        let ([bucket, key], bytes) = (owned([bucket, key]), bytes.into());
        self.done(async move |client| client.put_bytes(&bucket, &key, bytes).await)
    }

    /// As [`S3Client::get_bytes`].
    ///
    /// # Errors
    ///
    /// As of [`S3Client::get_bytes`].
    pub fn get_bytes(&self, bucket: &str, key: &str) -> Result<Bytes, S3Error> {
        let [bucket, key] = owned([bucket, key]);
        self.done(async move |client| client.get_bytes(&bucket, &key).await)
    }

    /// As [`S3Client::upload_file`].
    ///
    /// # Errors
    ///
    /// As of [`S3Client::upload_file`].
    pub fn upload_file(&self, local: impl AsRef<Path>, bucket: &str, key: &str) -> Result<S3Object, S3Error> {
        self.upload_file_with(local, bucket, key, |_| {})
    }

    /// As [`S3Client::upload_file_with`].
    ///
    /// # Errors
    ///
    /// As of [`S3Client::upload_file`].
    pub fn upload_file_with(
        &self,
        local: impl AsRef<Path>,
        bucket: &str,
        key: &str,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<S3Object, S3Error> {
        let ([bucket, key], local) = (owned([bucket, key]), local.as_ref().to_owned());
        self.done(async move |client| client.upload_file_with(local, &bucket, &key, progress).await)
    }

    /// As [`S3Client::download_file`].
    ///
    /// # Errors
    ///
    /// As of [`S3Client::download_file`].
    pub fn download_file(
        &self,
        bucket: &str,
        key: &str,
        local: impl AsRef<Path>,
    ) -> Result<S3Object, S3Error> {
        self.download_file_with(bucket, key, local, |_| {})
    }

    /// As [`S3Client::download_file_with`].
    ///
    /// # Errors
    ///
    /// As of [`S3Client::download_file`].
    pub fn download_file_with(
        &self,
        bucket: &str,
        key: &str,
        local: impl AsRef<Path>,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<S3Object, S3Error> {
        let ([bucket, key], local) = (owned([bucket, key]), local.as_ref().to_owned());
        self.done(async move |client| client.download_file_with(&bucket, &key, local, progress).await)
    }

    /// As [`S3Client::head`].
    ///
    /// # Errors
    ///
    /// As of [`S3Client::head`].
    pub fn head(&self, bucket: &str, key: &str) -> Result<S3Object, S3Error> {
        let [bucket, key] = owned([bucket, key]);
        self.done(async move |client| client.head(&bucket, &key).await)
    }

    /// As [`S3Client::delete`].
    ///
    /// # Errors
    ///
    /// As of [`S3Client::delete`].
    pub fn delete(&self, bucket: &str, key: &str) -> Result<(), S3Error> {
        let [bucket, key] = owned([bucket, key]);
        self.done(async move |client| client.delete(&bucket, &key).await)
    }

    /// As [`S3Client::list`].
    ///
    /// # Errors
    ///
    /// As of [`S3Client::list`].
    pub fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<S3Object>, S3Error> {
        let [bucket, prefix] = owned([bucket, prefix]);
        self.done(async move |client| client.list(&bucket, &prefix).await)
    }

    /// As [`S3Client::health_check`].
    pub fn health_check(&self) -> CheckReport {
        let client = self.client.clone();
        let checked = wait(async move { client.health_check().await });
        checked.unwrap_or_else(|unable| CheckReport::unhealthy(unable.to_string()))
    }

    /// As [`S3Client::health_check_bucket`].
    pub fn health_check_bucket(&self, bucket: &str) -> CheckReport {
        let (client, bucket) = (self.client.clone(), bucket.to_owned());
        let checked = wait(async move { client.health_check_bucket(&bucket).await });
        checked.unwrap_or_else(|unable| CheckReport::unhealthy(unable.to_string()))
    }
}

fn owned<const N: usize>(texts: [&str; N]) -> [String; N] {
    texts.map(str::to_owned)
}
