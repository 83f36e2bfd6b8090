//! An S3 client over the HTTP client: objects, files, streams.

mod ahead;
mod answer;
mod blocking;
mod builder;
mod checksum;
mod client;
mod download;
mod error;
mod place;
mod temporary;
mod upload;

pub use blocking::BlockingS3Client;
pub use builder::S3ClientBuilder;
pub use client::{Progress, S3Client, S3Object, s3_client};
pub use download::S3Stream;
pub use error::S3Error;
