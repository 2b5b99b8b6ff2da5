//! A servent inside another program: it joins an overlay, searches, fetches, and leaves.
//!
//! Run it with `cargo run --release --example embed`. The overlay is a devnet of twelve servents
//! in this very process; with `.peer(…)` of your own it is any other.

use std::error::Error;

use filbert::devnet::{Devnet, Plan};
use filbert::node::state::DownloadPhase;
use filbert::node::{Node, Target};
use filbert::runtime;
use futures::StreamExt;

fn main() -> Result<(), Box<dyn Error>> {
    runtime::block_on(async {
        let devnet = Devnet::start(Plan::default()).await?;

        // A servent with a temporary home, linked to one other.
        let node = Node::builder()
            .listen("127.0.0.1:0".parse()?)
            .start()
            .await?;
        node.connect(devnet.entry().address()).await?;
        println!("{} joined at {}", node.address(), devnet.entry().address());

        // Hits arrive as a stream, one for each file at each holder.
        let mut search = node.search(devnet.words())?;
        let hit = search.next().await.ok_or("nothing found")?;
        println!("{:?} is {} links away", hit.name, hit.source.hops);
        search.cancel();

        // What is fetched is verified before it gets its name.
        let id = node.fetch(&Target::Number(hit.number), None)?;
        let download = node.finished(id).await.ok_or("the download is gone")?;
        if download.phase != DownloadPhase::Done {
            return Err(format!("not fetched: {:?}", download.error).into());
        }
        println!(
            "{} bytes, verified, in {:?}",
            download.verified, download.path
        );

        node.stop().await;
        devnet.stop().await;
        Ok(())
    })
}
