//! Logs of training for other programs: complete, and without a trace of interruptions.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use crate::sandbox::Sandbox;

/// Events without their times: what follows the nine bytes of the time in each record.
fn events(store: &Path) -> Vec<Vec<u8>> {
    let file = fs::read(store.join("tiny/tensorboard/seed1/events.out.tfevents.balpoe")).expect("events");
    let mut rest = file.as_slice();
    let mut events = Vec::new();
    while let Some((length, record)) = rest.split_first_chunk::<8>() {
        let length = usize::try_from(u64::from_le_bytes(*length)).expect("a length");
        events.push(record[4 + 9..4 + length].to_vec());
        rest = &record[4 + length + 4..];
    }
    events
}

#[test]
fn killed_at_any_moment_the_logs_are_as_if_undisturbed() {
    let sandbox = Sandbox::new();
    let command = |store: &str| format!("experiment tiny.toml --out {store} --log csv,tensorboard");
    let undisturbed = sandbox.run(&command("undisturbed"));
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.stderr);
    let csv = fs::read_to_string(sandbox.cell("undisturbed").join("log.csv")).expect("a log");
    assert!(csv.starts_with("epoch,step,split,metric,value\n1,5,train,loss,"), "{csv}");
    assert_eq!(csv.lines().count(), 1 + 3 * 3, "{csv}");
    let wanted = events(&sandbox.path("undisturbed"));
    let told =
        |name: &[u8]| wanted.iter().filter(|event| event.windows(name.len()).any(|w| w == name)).count();
    assert_eq!((told(b"train/loss"), told(b"test-uniform/accuracy"), told(b"test-forward2/ece")), (3, 1, 1));

    for step in [3, 5, 6, 11] {
        let mut program = sandbox.start(&format!("{} --checkpoint-every 0", command("killed")));
        sandbox.wait_for_step("killed", step, &mut program);
        program.kill().expect("killed");
        program.wait().expect("ended");
    }
    let finished = sandbox.run(&command("killed"));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(fs::read_to_string(sandbox.cell("killed").join("log.csv")).expect("a log"), csv);
    assert!(events(&sandbox.path("killed")) == wanted, "events differ");
}

/// What a server was asked for: the last part of the path, and the body.
type Requests = Arc<Mutex<Vec<(String, Json)>>>;

/// A tracking server that answers as MLflow 3 does, and remembers what it was asked for.
fn server() -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.expect("a request"), &seen);
        }
    });
    (address, requests)
}

fn answer(mut stream: TcpStream, seen: &Requests) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request line");
    let path = line.split(' ').nth(1).expect("a path").trim_start_matches("/api/2.0/mlflow/").to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if header.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let (status, reply) = match path.as_str() {
        "experiments/get-by-name?experiment_name=tiny" => {
            ("404 NOT FOUND", json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no" }))
        }
        "experiments/create" => ("200 OK", json!({ "experiment_id": "7" })),
        "runs/create" => ("200 OK", json!({ "run": { "info": { "run_id": "abc" } } })),
        _ => ("200 OK", json!({})),
    };
    let reply = reply.to_string();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", reply.len());
    stream.write_all((head + &reply).as_bytes()).expect("answered");
    let body = serde_json::from_slice(&body).unwrap_or(Json::Null);
    seen.lock().expect("no panic").push((path, body));
}

#[cfg(unix)]
#[test]
fn an_interrupted_cell_is_one_run_on_an_mlflow_server() {
    let sandbox = Sandbox::new();
    let (address, requests) = server();
    let command = format!("experiment tiny.toml --log mlflow --mlflow {address} --checkpoint-every 0");
    let mut program = sandbox.start(&command);
    sandbox.wait_for_step("runs", 7, &mut program);
    let asked = Command::new("kill").args(["-TERM", &program.id().to_string()]).status().expect("kill");
    assert!(asked.success());
    assert_eq!(program.wait().expect("ended").code(), Some(130));
    let finished = sandbox.run(&command);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!finished.stderr.contains("MLflow"), "{}", finished.stderr);

    let requests = requests.lock().expect("no panic");
    let of = |path: &'static str| requests.iter().filter(move |(p, _)| p == path).map(|(_, body)| body);
    let [begun] = of("runs/create").collect::<Vec<_>>()[..] else { panic!("one run: {requests:?}") };
    assert_eq!((&begun["experiment_id"], &begun["run_name"]), (&json!("7"), &json!("tiny seed 1")));
    let mut parameters = BTreeMap::new();
    let mut points = BTreeMap::new();
    for batch in of("runs/log-batch") {
        assert_eq!(batch["run_id"], "abc");
        for parameter in batch["params"].as_array().into_iter().flatten() {
            let (key, value) = (parameter["key"].as_str(), parameter["value"].as_str());
            assert!(parameters.insert(key, value).is_none(), "{parameter} is sent twice");
        }
        for metric in batch["metrics"].as_array().into_iter().flatten() {
            let point = (metric["key"].as_str().expect("a name"), metric["step"].as_u64().expect("a step"));
            assert!(metric["value"].is_number() && metric["timestamp"].is_number(), "{metric}");
            assert!(points.insert(point, &metric["value"]).is_none(), "{metric} is sent twice");
        }
    }
    for (key, value) in
        [("seed", "1"), ("optimizer.learning_rate", "0.02"), ("augmentation.0.kind", "pad-crop")]
    {
        assert_eq!(parameters.get(&Some(key)), Some(&Some(value)), "{parameters:?}");
    }
    for step in [5, 10, 15] {
        assert!(points.contains_key(&("train/loss", step)), "{points:?}");
    }
    assert!(points.contains_key(&("test-uniform/accuracy", 15)), "{points:?}");
    let ends: Vec<&Json> = of("runs/update").map(|body| &body["status"]).collect();
    assert_eq!(ends, ["FINISHED"]);
}

#[test]
fn a_server_that_is_away_stops_nothing() {
    let sandbox = Sandbox::new();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port");
    let outcome = sandbox.run(&format!("experiment tiny.toml --log mlflow --mlflow http://{address}"));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.matches("training goes on").count(), 1, "told once: {}", outcome.stderr);
}
