//! Downloads against a server of our own that breaks off, refuses and lies.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use balpoe_core::components::{DataError, FileState};
use balpoe_core::digest::sha256;
use balpoe_data::{Archive, CIFAR10, Cifar, OfficialFile};

/// What the server does with one request.
#[derive(Clone, Copy)]
enum Answer {
    /// What is asked for.
    Whole,
    /// So many bytes of what is asked for, then it hangs up.
    Cut(usize),
    /// Everything, whatever range is asked for.
    IgnoreRange,
    /// No content.
    Status(u16),
}

/// Serves `content` at `/set.tar.gz`, one answer a request. Yields the address, and the `Range` of every request.
fn serve(content: Vec<u8>, answers: Vec<Answer>) -> (&'static str, Receiver<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/set.tar.gz", listener.local_addr().unwrap());
    let (sender, ranges) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            // The client may hang up first.
            let _ = reply(stream, &content, answer, &sender);
        }
    });
    (Box::leak(url.into_boxed_str()), ranges)
}

fn reply(
    mut stream: TcpStream,
    content: &[u8],
    answer: Answer,
    ranges: &Sender<Option<String>>,
) -> std::io::Result<()> {
    let mut range = None;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_lowercase();
        if let Some(value) = line.strip_prefix("range: ") {
            range = Some(value.to_owned());
        }
        if line.is_empty() {
            break;
        }
    }
    let asked = range.as_deref().and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let _ = ranges.send(range);
    let start: usize = if matches!(answer, Answer::IgnoreRange) { 0 } else { asked.unwrap_or(0) };
    let body = &content[start.min(content.len())..];
    let status = match answer {
        Answer::Status(status) => format!("{status} Sorry"),
        _ if start > 0 => "206 Partial Content".to_owned(),
        _ => "200 OK".to_owned(),
    };
    let range = if start > 0 {
        format!("Content-Range: bytes {start}-{}/{}\r\n", content.len() - 1, content.len())
    } else {
        String::new()
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}Connection: close\r\n\r\n",
        body.len()
    )?;
    let sent = match answer {
        Answer::Whole | Answer::IgnoreRange => body.len(),
        Answer::Cut(bytes) => bytes.min(body.len()),
        Answer::Status(_) => 0,
    };
    stream.write_all(&body[..sent])
}

/// Two training images and one test image in CIFAR-10's layout.
fn records(first: u8, count: u8) -> Vec<u8> {
    (first..first + count)
        .flat_map(|i| {
            std::iter::once(i % 2).chain((0..3072_u32).map(move |k| (k * k * 31 + u32::from(i)) as u8))
        })
        .collect()
}

fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none()));
    for (name, content) in [("set/train.bin", records(0, 8)), ("set/test.bin", records(8, 2))] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn official(name: &'static str, content: &[u8]) -> OfficialFile {
    OfficialFile { name, bytes: content.len() as u64, sha256: leak(sha256(content)) }
}

/// A data set whose archive is at this address.
fn data_set(url: &'static str) -> Cifar {
    let content = archive();
    Cifar {
        name: "small",
        folder: "set",
        train: Box::leak(Box::new([official("train.bin", &records(0, 8))])),
        test: official("test.bin", &records(8, 2)),
        names: &["even", "odd"],
        verified_subset: None,
        archive: Archive { url, bytes: content.len() as u64, sha256: leak(sha256(&content)), folder: "set" },
        ..CIFAR10
    }
}

fn fetch(data: &Cifar, root: &Path) -> Result<Vec<u64>, DataError> {
    let mut seen = Vec::new();
    data.fetch(root, &mut |progress| seen.push(progress.done))?;
    Ok(seen)
}

fn names(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_download_is_unpacked_verified_and_not_repeated() {
    let root = tempfile::tempdir().unwrap();
    let (url, ranges) = serve(archive(), vec![Answer::Whole]);
    let data = data_set(url);
    let progress = fetch(&data, root.path()).unwrap();
    assert!(progress.is_sorted() && progress.last() == Some(&data.archive.bytes));
    assert!(data.verify(root.path()).unwrap().iter().all(|report| report.state == FileState::Verified));
    assert_eq!(names(root.path()), ["set"], "only the data set's folder is left");
    // The server is gone: a second call must not need it.
    assert!(fetch(&data, root.path()).unwrap().is_empty());
    assert_eq!(ranges.iter().collect::<Vec<_>>(), [None]);
}

#[test]
fn an_interrupted_transfer_goes_on_where_it_stopped() {
    let root = tempfile::tempdir().unwrap();
    let (url, ranges) = serve(archive(), vec![Answer::Cut(5000), Answer::Cut(7000), Answer::Whole]);
    let data = data_set(url);
    fetch(&data, root.path()).unwrap();
    let ranges: Vec<Option<String>> = ranges.iter().collect();
    assert_eq!(ranges, [None, Some("bytes=5000-".to_owned()), Some("bytes=12000-".to_owned())]);
}

#[test]
fn what_an_earlier_call_left_is_continued() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("set.tar.gz.part"), &archive()[..9000]).unwrap();
    let (url, ranges) = serve(archive(), vec![Answer::Whole]);
    let progress = fetch(&data_set(url), root.path()).unwrap();
    assert_eq!(progress[0], 9000);
    assert_eq!(ranges.recv().unwrap().as_deref(), Some("bytes=9000-"));
}

#[test]
fn a_server_without_ranges_starts_again() {
    let root = tempfile::tempdir().unwrap();
    let (url, _ranges) = serve(archive(), vec![Answer::Cut(5000), Answer::IgnoreRange]);
    fetch(&data_set(url), root.path()).unwrap();
}

#[test]
fn an_impossible_range_starts_again() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("set.tar.gz.part"), [1; 100]).unwrap();
    let (url, ranges) = serve(archive(), vec![Answer::Status(416), Answer::Whole]);
    fetch(&data_set(url), root.path()).unwrap();
    assert_eq!(ranges.iter().nth(1), Some(None));
}

#[test]
fn other_content_is_refused_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let mut other = archive();
    other[3000] ^= 1;
    let (url, _ranges) = serve(other, vec![Answer::Whole]);
    let error = fetch(&data_set(url), root.path()).unwrap_err().to_string();
    assert!(error.contains("sent an archive with SHA-256") && error.contains("it was removed"), "{error}");
    assert!(names(root.path()).is_empty());
}

#[test]
fn too_much_content_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut longer = archive();
    longer.extend([0; 100]);
    let (url, _ranges) = serve(longer, vec![Answer::Whole]);
    let error = fetch(&data_set(url), root.path()).unwrap_err().to_string();
    assert!(error.contains("sends more than"), "{error}");
}

#[test]
fn an_absent_archive_is_not_asked_for_twice() {
    let root = tempfile::tempdir().unwrap();
    let (url, ranges) = serve(archive(), vec![Answer::Status(404), Answer::Whole]);
    let error = fetch(&data_set(url), root.path()).unwrap_err().to_string();
    assert!(error.contains("status 404"), "{error}");
    assert_eq!(ranges.try_iter().count(), 1);
}
