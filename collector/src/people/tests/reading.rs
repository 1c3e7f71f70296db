//! Files, good and bad.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn a_row_may_have_several_accounts_and_roles() {
    let people = rows("AMY.b; abrown,Amy Brown,pupil,7B,ks3,\nj,Joy,\"Staff;DSL; chair\",,,J@Hill.example\n").unwrap();
    let [amy, joy] = people.as_slice() else { panic!("two people") };
    assert_eq!(amy.accounts, BTreeSet::from(["amy.b".to_owned(), "abrown".to_owned()]));
    assert_eq!((amy.kind, amy.band), (Kind::Pupil, Band::Ks3));
    assert_eq!(joy.roles, BTreeSet::from([Role::Dsl, Role::Chair]));
    assert_eq!((joy.kind, joy.band, joy.mail.as_str()), (Kind::Staff, Band::Staff, "j@hill.example"));
}

#[test]
fn columns_may_stand_in_any_order_and_later_ones_may_be_left_out() {
    let people = parse(b"\xef\xbb\xbfname,account,band,class,role\r\nKS1,ks1,,,shared\r\n").unwrap();
    let log_on = people.first().unwrap();
    assert_eq!((log_on.kind, &log_on.gender, log_on.year, log_on.vulnerable), (Kind::Shared, &None, None, None));
}

#[test]
fn every_column_is_read() {
    let people = whole("amy,Amy,pupil,7B,,,A1,Female,Y7,yes,\ntom,Tom,staff;class_teacher,,,,S1,,,,7B; 7C\n");
    let [amy, tom] = people.as_slice() else { panic!("two people") };
    assert_eq!((amy.band, amy.year, amy.vulnerable), (Band::Ks3, Some("7".parse().ok()), Some(true)));
    assert_eq!((amy.reference.as_str(), amy.gender.as_deref()), ("A1", Some("Female")));
    assert_eq!(tom.teaches, Some(BTreeSet::from(["7B".to_owned(), "7C".to_owned()])));
    assert_eq!((tom.year, tom.vulnerable), (Some(None), Some(false)));
}

#[test]
fn every_fault_names_line_and_column() {
    let text = format!(
        "{HEADER}amy,Amy,wizard,7B,ks3,\nben,Ben,pupil,7B,ks9,\ncy,,pupil,7B,ks3,\n,Di,pupil,7B,ks3,\nfay,Fay,pupil,7B,,\n\
         gus,Gus,pupil;dsl,7B,ks3,\nhal,Hal,pupil;staff,7B,ks3,\nida,Ida,staff,,,nowhere\njo,Jo\n\
         amy2,A,staff,,,\nAMY2,B,staff,,,\n"
    );
    let places: Vec<_> = parse(text.as_bytes()).unwrap_err().iter().map(|one| (one.line, one.column)).collect();
    let expected = [
        (2, "role"),
        (3, "band"),
        (4, "name"),
        (5, "account"),
        (6, "band"),
        (7, "role"),
        (8, "role"),
        (9, "mail"),
        (10, ""),
        (12, "account"),
    ];
    assert_eq!(places, expected);
}

#[test]
fn the_later_columns_are_checked_too() {
    let text = format!(
        "{WHOLE_HEADER}a,A,pupil,,ks3,,R1,,14,,\nb,B,staff,,,,R1,,7,yes,\nc,C,pupil,,ks3,,R3,,7,perhaps,7B\n\
         d,D,pupil,,ks3,m@x.example,R4,{},,,\ne,E,pupil,,ks3,M@x.example,R5,,,,\n",
        "x".repeat(33)
    );
    let places: Vec<_> = parse(text.as_bytes()).unwrap_err().iter().map(|one| (one.line, one.column)).collect();
    // Line 3 holds two faults of its own; a doubled reference is looked for among sound rows.
    let expected = [(2, "year"), (3, "vulnerable"), (3, "year"), (4, "teaches"), (4, "vulnerable"), (5, "gender")];
    assert_eq!(places, expected);
    let doubles = format!("{WHOLE_HEADER}a,A,pupil,,ks3,m@x.example,R1,,,,\nb,B,pupil,,ks3,M@x.example,R1,,,,\n");
    assert_eq!(
        faults(doubles.as_bytes()),
        [
            "line 3, column `mail`: the address stands in line 2 already",
            "line 3, column `reference`: the reference stands in line 2 already"
        ]
    );
}

#[test]
fn other_encodings_headers_and_sizes_are_refused_in_words() {
    assert_eq!(faults(b"\xff\xfea\0"), ["line 1: the file is UTF-16: save it as CSV UTF-8"]);
    assert_eq!(faults(b"a\0c\0"), ["line 1: the file is UTF-16: save it as CSV UTF-8"]);
    let latin = [HEADER.as_bytes(), b"amy,Am\xe9lie,pupil,7B,ks3,\n"].concat();
    assert_eq!(
        faults(&latin),
        ["line 2: the text is not UTF-8 but looks like Windows-1252: save the file as CSV UTF-8"]
    );
    assert_eq!(faults(b"account\x81"), ["line 1: the text is not UTF-8: save the file as CSV UTF-8"]);
    assert_eq!(faults(b"account,name,role,class\n"), ["line 1, column `band`: the column is missing"]);
    assert_eq!(faults(b"name,name\n"), ["line 1, column `name`: the column stands twice"]);
    assert!(faults(b"account,password\n").first().unwrap().starts_with("line 1: unknown column in place 2"));
    assert!(faults(b"account;name;role\na;b;c\n").first().unwrap().contains("commas, not by semicolons"));
    assert_eq!(faults(HEADER.as_bytes()), ["line 1: nothing stands below the header"]);
    assert!(faults(&vec![b'a'; MAX_FILE_BYTES + 1]).first().unwrap().contains("larger"));
    assert!(!faults(b"").is_empty());
}

#[test]
fn a_quote_that_is_never_closed_is_told_with_its_line_beside_what_stands_before_it() {
    let text = format!("{HEADER}amy,Amy,wizard,,,\nben,\"Ben,pupil,7B,ks3,\ncy,Cy,pupil,7B,ks3,\n");
    let said = faults(text.as_bytes());
    assert!(said.len() == 2 && said[0].starts_with("line 2, column `role`"), "{said:?}");
    assert!(said[1].starts_with("line 3: a quote is opened and never closed"));
}

#[test]
fn no_cell_begins_as_a_formula_or_hides_what_it_says() {
    for cell in ["=1+1", "+A1", "-2", "@sum", " =1+1", "\t=1+1", "\u{ff1d}cmd"] {
        for column in [1, 3] {
            let fields = ["a", "A", "pupil", "7B", "ks3", ""];
            let row: Vec<_> = (0..).zip(fields).map(|(at, field)| if at == column { cell } else { field }).collect();
            let said = faults(format!("{HEADER}{}\n", row.join(",")).as_bytes());
            assert!(said.len() == 1 && said[0].contains("formula"), "{cell:?}: {said:?}");
        }
    }
    for name in ["A\u{202e}B", "A\u{200b}B", "A\u{7}B", "\"A\nB\"", "\"A\tB\""] {
        assert!(faults(format!("{HEADER}a,{name},pupil,,ks3,\n").as_bytes())[0].contains("control"), "{name:?}");
    }
    assert!(rows("a,Anne-Marie O'Neil = X,pupil,7+,ks3,\n").is_ok());
}

#[test]
fn at_most_fifty_faults_are_told_in_order_of_their_lines() {
    let text = format!("{HEADER}{}", "a,A,wizard,,,\n".repeat(80));
    let lines: Vec<_> = parse(text.as_bytes()).unwrap_err().iter().map(|fault| fault.line).collect();
    assert_eq!(lines, (2..52).collect::<Vec<_>>());
}

#[test]
fn a_fault_never_repeats_what_the_field_says() {
    let text = format!("{WHOLE_HEADER}amy,Amy\u{7} Brown,secret-role,7B,secret-band,secret,,,secret,secret,=secret\n");
    assert!(faults(text.as_bytes()).iter().all(|fault| !fault.contains("secret") && !fault.contains("Brown")));
}

#[test]
fn a_list_one_row_too_long_is_refused() {
    let many: String = (0..=MAX_PEOPLE).map(|number| format!("a{number},A,staff,,,\n")).collect();
    assert_eq!(faults(format!("{HEADER}{many}").as_bytes()), ["line 0: more than 100000 rows"]);
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(bytes in vec(any::<u8>(), 0..400), rows in "[a-z0-9,;\"\r\n= @.é\u{0}-]{0,400}") {
        let _ = parse(&bytes);
        let _ = parse(rows.as_bytes());
        let _ = parse(&[WHOLE_HEADER.as_bytes(), &bytes].concat());
        let told = parse(format!("{WHOLE_HEADER}{rows}").as_bytes());
        if let Err(faults) = told {
            prop_assert!(!faults.is_empty() && faults.len() <= crate::sheet::MAX_FAULTS);
        }
    }
}
