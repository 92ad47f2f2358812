//! Many requests at once: nothing is lost, nothing is seen by halves.

use std::sync::Arc;

use apid::routes;
use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::desk::{Desk, TOKEN, UUID, api_over, send, tokens, xml};

fn uuid(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_one_vm_by_many_are_all_kept() {
    let desk = Arc::new(Desk::new().await);
    desk.define("web1", UUID).await;
    let writers = (0..6).map(|writer| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            for number in 0..5 {
                let tag = format!("t{writer}-{number}");
                let answer = desk.ask("POST", "/vm/web1/tags", &[("action", "add"), ("tag", &tag)]).await;
                // Who loses every race is told so, and nothing was written.
                assert!(matches!(answer.status, StatusCode::OK | StatusCode::CONFLICT), "{}", answer.text);
                if answer.status == StatusCode::OK {
                    let shown = desk.get("/vm/web1/tags").await.text;
                    assert!(shown.contains(&format!("\"{tag}\"")), "an acknowledged tag is not shown");
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let tags = desk.get("/vm/web1/tags").await.json();
    assert!(tags["tags"].as_array().unwrap().len() >= 20, "hardly any writer got through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_name_is_given_once_however_many_ask_for_it() {
    let desk = Arc::new(Desk::new().await);
    let askers = (0..8).map(|number| {
        let desk = Arc::clone(&desk);
        tokio::spawn(
            async move { desk.ask("POST", "/vm", &[("xml", &xml("web1", &uuid(number)))]).await.status },
        )
    });
    let mut accepted = 0;
    for asker in askers.collect::<Vec<_>>() {
        match asker.await.unwrap() {
            StatusCode::OK => accepted += 1,
            status => assert_eq!(status, StatusCode::BAD_REQUEST),
        }
    }
    assert_eq!(accepted, 1);
    assert_eq!(desk.get("/vm").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_coordinator_acknowledged_is_known_to_the_other_at_once() {
    let desk = Desk::new().await;
    let other = |desk: &Desk| {
        let store = Arc::new(desk.memory.open());
        routes::router(&api_over(store, tokens(&[TOKEN]), "/nonexistent".into()).0)
    };
    let other = other(&desk);
    let asking = |method: &str, path: &str, body: String| {
        let request =
            Request::builder().method(method).uri(format!("/api/v1{path}")).header("X-Api-Key", TOKEN);
        let form = "application/x-www-form-urlencoded";
        request.header("Content-Type", form).body(Body::from(body)).expect("a request")
    };
    for number in 0..20 {
        desk.define("web1", &uuid(number)).await;
        let seen = send(&other, asking("GET", "/vm/web1", String::new())).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
        let removed = send(&other, asking("DELETE", &format!("/vm/{}", uuid(number)), String::new())).await;
        assert_eq!(removed.status, StatusCode::OK, "{}", removed.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lists_are_whole_while_vms_come() {
    const COUNT: usize = 60;
    let desk = Arc::new(Desk::new().await);
    desk.define("vm-0", &uuid(0)).await;
    let definer = {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            for number in 1..COUNT {
                desk.define(&format!("vm-{number}"), &uuid(number)).await;
            }
        })
    };
    let readers = (0..4).map(|_| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let mut seen = 0;
            while seen < COUNT {
                let vms = desk.get("/vm").await.json();
                let vms = vms.as_array().unwrap();
                assert!(vms.len() >= seen, "VMs went");
                seen = vms.len();
                for vm in vms {
                    assert!(vm["xml"].as_str().unwrap().ends_with("</domain>"), "a VM without its document");
                    assert_eq!(vm["type"], "hvm");
                }
                // Nothing here waits for a socket, so the others would never have their turn.
                tokio::task::yield_now().await;
            }
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        tokio::time::timeout(super::desk::PATIENCE, reader).await.expect("every reader sees all").unwrap();
    }
    definer.await.unwrap();
}
