//! Web servers that a link names.

use super::*;

/// A link to the file on web servers, without its size.
fn link(file: &File, seeds: &[&str]) -> Target {
    let seeds: String = seeds.iter().map(|seed| format!("&as={seed}")).collect();
    let link = format!("magnet:?xt=urn:sha1:{}&dn=almond{seeds}", file.sha1);
    Target::Magnet(link.parse().unwrap())
}

fn web(file: &Arc<File>, manners: Manners) -> Source {
    Source::new(
        file,
        Manners {
            path: Some("/pub/almond.bin"),
            ..manners
        },
    )
}

#[test]
fn a_file_comes_from_a_web_server_alone() {
    let file = File::new(700_000);
    let server = web(&file, Manners::default());
    let home = common::directory();
    let node = start(home.path());
    let named = format!("http://localhost:{}/pub/almond.bin", server.address.port());
    let id = node.fetch(&link(&file, &[&named]), None).unwrap();
    completes(&node, id, &file);
    stop(node);
}

#[test]
fn a_restart_goes_on_with_the_web_server_and_a_wrong_one_is_passed_over() {
    let file = File::new(900_000);
    let server = web(&file, slow());
    let right = format!("http://{}/pub/almond.bin", server.address);
    let wrong = "http://no-such-host.invalid/x".to_owned();
    let home = common::directory();
    let node = start(home.path());
    let id = node
        .fetch(&link(&file, &[&wrong, "https://127.0.0.1/x", &right]), None)
        .unwrap();
    let begun = |state: &DownloadState| state.received > 0;
    let state = block_on(node.download_when(id, PATIENCE, begun)).unwrap();
    assert!(begun(&state), "{state:?}");
    stop(node);
    let node = start(home.path());
    completes(&node, id, &file);
    stop(node);
}

#[test]
fn a_name_does_not_lead_into_a_network_of_somebody_else() {
    let file = File::new(50_000);
    let (named, numbered) = (
        web(&file, Manners::default()),
        web(&file, Manners::default()),
    );
    let home = common::directory();
    // This servent belongs to the public network.
    let public = builder().listen("0.0.0.0:0".parse().unwrap());
    let node = block_on(public.home(home.path()).start()).unwrap();
    let by_name = format!("http://localhost:{}/pub/almond.bin", named.address.port());
    // An address in numbers is the user's own word; it comes second.
    let by_number = format!("http://{}/pub/almond.bin", numbered.address);
    let id = node
        .fetch(&link(&file, &[&by_name, &by_number]), None)
        .unwrap();
    completes(&node, id, &file);
    assert_eq!((named.asked().len(), named.sent()), (0, 0));
    stop(node);
}
