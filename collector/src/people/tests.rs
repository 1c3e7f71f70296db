mod importing;
mod leaving;
mod reading;
mod rolling;

use super::*;
use crate::actor::{Actor, PersonId};
use crate::sheet::RowFault;
use crate::store::fixture::{NINE_US, School};

const HEADER: &str = "account,name,role,class,band,mail\n";
const WHOLE_HEADER: &str = "account,name,role,class,band,mail,reference,gender,year,vulnerable,teaches\n";

fn rows(rows: &str) -> Result<Vec<Listed>, Vec<RowFault>> {
    parse(format!("{HEADER}{rows}").as_bytes())
}

fn whole(rows: &str) -> Vec<Listed> {
    parse(format!("{WHOLE_HEADER}{rows}").as_bytes()).unwrap()
}

fn faults(text: &[u8]) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

const APPLY: Wanted = Wanted { mode: Mode::Apply, absentees: Absentees::Stay, asked_by: None };

async fn brought_in(school: &School, listed: &[Listed], wanted: Wanted) -> Result<Changes, ImportError> {
    let actor = Actor::Product { school: school.id.clone() };
    import(&school.store, &actor, NINE_US, listed, wanted).await
}

async fn imported(school: &School, text: &str, mode: Mode) -> Result<Imported, ImportError> {
    Ok(brought_in(school, &rows(text).unwrap(), Wanted { mode, ..APPLY }).await?.counts)
}

async fn sign_in(school: &School, account: &str) -> PersonId {
    let insert = format!(
        "INSERT INTO sign_ins (school_id, login, person_id, mail, password)
         SELECT school_id, account, person_id, '', '' FROM accounts WHERE account = '{account}'"
    );
    school.write(&insert).await;
    person(school, account).await
}

async fn person(school: &School, account: &str) -> PersonId {
    let listed = crate::store::absences::named(&school.store, &school.id, account).await.unwrap();
    *listed.first().unwrap()
}
