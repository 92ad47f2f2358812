//! Tests of files that come with a request, cut into pieces in every way.

use axum::http::Request as HttpRequest;
use futures::stream;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    file_size: Option<u64>,
}

const FORM: &str = "multipart/form-data; boundary=XYZ";

/// A form with this file, as clients send it.
fn form(file: &str) -> String {
    format!(
        "--XYZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.img\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{file}\r\n--XYZ--\r\n"
    )
}

/// Reads the file of a request whose body comes in pieces of this length.
async fn read(query: &str, kind: &str, body: &str, piece: usize) -> Result<String, ApiError> {
    let pieces: Vec<_> = body
        .as_bytes()
        .chunks(piece)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
        .collect();
    let request = HttpRequest::builder().uri(format!("/upload{query}")).header(CONTENT_TYPE, kind);
    let request = request.header(CONTENT_LENGTH, body.len());
    let request = request.body(Body::from_stream(stream::iter(pieces))).unwrap();
    let upload: Upload<Asked> = Upload::from_request(request, &()).await?;
    let mut file = upload.file.open(upload.asked.file_size).await?;
    let mut whole = Vec::new();
    while let Some(part) = file.part().await? {
        whole.extend_from_slice(&part);
    }
    assert_eq!(file.size_bytes(), whole.len() as u64);
    Ok(String::from_utf8(whole).unwrap())
}

#[tokio::test]
async fn a_file_is_read_whole_however_it_is_cut() {
    let file = "content\r\n--XYZ--\r\nthat looks like the end\r\n\r\n";
    for piece in 1..=form(file).len() {
        assert_eq!(read("", FORM, &form(file), piece).await.unwrap(), file, "{piece}");
        let told = format!("?file_size={}", file.len());
        assert_eq!(read(&told, FORM, &form(file), piece).await.unwrap(), file, "{piece}");
        assert_eq!(read("", "application/octet-stream", file, piece).await.unwrap(), file, "{piece}");
    }
    assert_eq!(read("", "", "alone", 2).await.unwrap(), "alone");
    let quoted = "Multipart/Form-Data; charset=utf-8; Boundary=\"XYZ\"";
    assert_eq!(read("", quoted, &form("a"), 7).await.unwrap(), "a");
}

#[tokio::test]
async fn what_is_cut_off_or_goes_on_is_no_file() {
    for piece in [1, 5, 1000] {
        for (query, body, word) in [
            ("?file_size=8", form("seven!!"), "More comes"),
            ("?file_size=6", form("seven!!"), "More comes"),
            ("?file_size=900", form("seven!!"), "broke off"),
            ("?file_size=7", form("seven!!")[..form("seven!!").len() - 11].to_owned(), "broke off"),
            ("", "--XYZ\r\nContent-Disposition: form-data; name=\"file\"".to_owned(), "broke off"),
            ("", form("a").replace("\"file\"", "\"data\""), "first part"),
            ("", form("a").replace("--XYZ\r\n", "--ABC\r\n"), "first part"),
            ("", "x".repeat(20_000), "do not end"),
        ] {
            let error = read(query, FORM, &body, piece).await.unwrap_err();
            assert!(error.to_string().contains(word), "{body}: {error}");
            assert_eq!(error.status(), 400, "{error}");
        }
        let error = read("?file_size=3", "", "four", piece).await.unwrap_err();
        assert!(error.to_string().contains("More comes"), "{error}");
    }
}

#[tokio::test]
async fn a_file_whose_length_nobody_tells_is_refused() {
    let request = HttpRequest::builder()
        .uri("/upload")
        .body(Body::from_stream(stream::empty::<Result<Bytes, std::io::Error>>()));
    let upload: Upload<Asked> = Upload::from_request(request.unwrap(), &()).await.unwrap();
    let error = upload.file.open(None).await.unwrap_err();
    assert!(error.to_string().contains("file_size"), "{error}");
    for kind in ["text/plain", "multipart/form-data", "multipart/form-data; boundary="] {
        let error = read("", kind, "a", 1).await.unwrap_err();
        assert_eq!(error.status(), 400, "{error}");
    }
}
