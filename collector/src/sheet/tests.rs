use super::*;

const SHAPE: Shape = Shape { columns: &["one", "two"], needed: &["one"], max_bytes: 1000, max_rows: 3 };

type Read = (u64, String, Vec<String>);

fn read_all(bytes: &[u8]) -> Result<Vec<Read>, Vec<RowFault>> {
    let (rows, faults) = read(bytes, &SHAPE, |row| (row.line(), row.text("one", 5), row.parts("two", 3, 2)))?;
    faults.settle(rows)
}

fn problems(bytes: &[u8]) -> Vec<String> {
    read_all(bytes).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn rows_are_read_with_their_lines() {
    let rows = read_all(b"two,ONE\n\"a; b\",\"x, y\"\n;,z\n").unwrap();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(rows, [(2, "x, y".to_owned(), words(&["a", "b"])), (3, "z".to_owned(), vec![])]);
}

#[test]
fn lines_are_those_of_an_editor_however_they_end() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["one,two", "", "a,b", "\"c", "d\",e", "", "", "f"].join(end) + end;
        let lines: Vec<u64> = read_all(text.as_bytes()).unwrap_err().iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [4, 8], "{end:?}");
    }
}

#[test]
fn what_is_too_long_or_too_many_is_named() {
    assert_eq!(
        problems(b"one,two\nabcdef,a;b;c\n"),
        ["line 2, column `one`: longer than 5 bytes", "line 2, column `two`: more than 2 of them"]
    );
    assert_eq!(problems(b"one\n1\n2\n3\n4\n"), ["line 0: more than 3 rows"]);
    assert_eq!(problems(&[b'a'; 1001]), ["line 0: the file is larger than 1000 bytes"]);
    assert_eq!(problems(b"one,two\n1\n"), ["line 2: 1 fields where the header has 2"]);
}

#[test]
fn other_separators_are_told_as_such() {
    assert!(problems(b"one\ttwo\n1\t2\n")[0].contains("separated by commas"));
    assert_eq!(problems(b"one,three\n"), ["line 1: unknown column in place 2: expected one, two"]);
}
