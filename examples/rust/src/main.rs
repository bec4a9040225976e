//! LimeDB from Rust, through Envoy: cargo run -- http://localhost:8484

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

#[allow(dead_code)]
mod google {
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}
#[allow(dead_code)]
mod limedb {
    pub mod v1 {
        tonic::include_proto!("limedb.v1");
    }
}

use limedb::v1::kv_service_client::KvServiceClient;
use limedb::v1::{
    BatchSetRequest, BatchWrite, GetRequest, ScanRequest, SetRequest, WatchRequest, batch_write,
    get_response, set_request, watch_event, watch_request,
};

// --8<-- [start:errors]
/// What to act on, such as KEY_NOT_FOUND: docs/errors.md lists them all.
fn reason(error: &tonic::Status) -> String {
    error
        .get_details_error_info()
        .map_or_else(|| "none".to_owned(), |info| info.reason)
}
// --8<-- [end:errors]

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("usage: limedb-example http://HOST:PORT")?;
    // --8<-- [start:calls]
    let channel = tonic::transport::Endpoint::from_shared(address)?
        .connect()
        .await?;
    // By default tonic receives 4 MiB at most, too little for the largest value: that has 4 MiB, or MAX_VALUE_SIZE.
    let mut kv = KvServiceClient::new(channel.clone()).max_decoding_message_size(17 << 20);
    let what = Some(watch_request::What::Prefix("rust/".into()));
    let mut watch = kv
        .watch(WatchRequest {
            what,
            ..Default::default()
        })
        .await?
        .into_inner();
    watch.message().await?; // the first message: from here on no change is missed
    let content = Some(set_request::Content::Value("green".into()));
    let set = kv
        .set(SetRequest {
            key: "rust/lime".into(),
            content,
            ..Default::default()
        })
        .await?
        .into_inner();
    println!(
        "set: acked {}",
        set.receipt.is_some_and(|receipt| receipt.acked > 0)
    );
    let got = kv
        .get(GetRequest {
            key: "rust/lime".into(),
            ..Default::default()
        })
        .await?
        .into_inner();
    if let Some(get_response::Content::Value(value)) = got.content {
        println!("get: {value}");
    }
    let writes = [
        ("rust/apple", batch_write::Content::Value("red".into())),
        ("rust/plum", batch_write::Content::Blob(vec![1, 2])),
    ]
    .map(|(key, content)| BatchWrite {
        key: key.into(),
        content: Some(content),
        ..Default::default()
    });
    let batch = kv
        .batch_set(BatchSetRequest {
            writes: writes.into(),
            ..Default::default()
        })
        .await?
        .into_inner();
    for result in batch.results {
        println!("batch: written {}", result.error.is_none()); // each write has its own outcome
    }
    let range = ScanRequest {
        prefix: "rust/".into(),
        ..Default::default()
    };
    let mut scan = kv.scan(range).await?.into_inner();
    while let Some(page) = scan.message().await? {
        page.entries
            .iter()
            .for_each(|entry| println!("scan: {}", entry.key));
    }
    while let Some(changes) = watch.message().await? {
        if let Some(event) = changes.events.first() {
            if let Some(watch_event::Content::Value(value)) = &event.content {
                println!("watch: {} {value}", event.key);
            }
            break;
        }
    }
    let health = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await?
        .into_inner();
    println!("health: {}", health.status().as_str_name());
    let missing = kv
        .get(GetRequest {
            key: "rust/none".into(),
            ..Default::default()
        })
        .await;
    println!("error: {}", reason(&missing.unwrap_err()));
    // --8<-- [end:calls]
    Ok(())
}
