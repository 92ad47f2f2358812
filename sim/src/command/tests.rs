//! Every order is read back as it is written.

use super::*;

#[test]
fn orders_are_read_back_as_they_are_written() {
    let script = "init\ndefine web1 1024 2\nstart web1 force\nshutdown web1\nstop web1\nrestart web1\ndisable web1 force\n\
                  remove web1\nrename web1 web2\nautostart web1\nmove web1\nmove web1 hv2\nmigrate web1\nmigrate web1 hv2\nunmigrate web1\nprimary hv1\nsecondary hv1\nflush hv1\nready hv1\nattach web1 vdb\ndetach web1 vdb\nrun noded@hv1\n\
                  end workerd@hv1\nkill noded@hv1\nstall noded@hv1 2.5s\nhang-loop noded@hv1 40s\nbreak noded@hv1 checked start-guest kill\n\
                  break noded@hv1 checked start-guest kill 20s\n\
                  break workerd@hv1 acted record stall 8s\ncrash web1\ncrash-unseen web1\nbutton web1 ignored\nbutton web1 0.25s\n\
                  start-by-hand hv1 web1\nstop-by-hand web1\nrefuse-starts hv1 3\nhang hv1 late\nhang hv1 lost\ncut hv1\n\
                  heal hv1\nlose-answers hv1 1\nlose-wakes hv1 2\ncut-power hv1\ngrow hv1 16384\nprocessors hv1 2\nstore gone\nstore back\n\
                  lose-commit landed\nlose-commit not-landed\ndefine web1 1024 2 hv2\ncut-power hv1 hv2\npower-off hv1\n\
                  power-on hv1 hv2\ncut-cable hv1 hv2\nheal-cable hv1 hv2\nslow hv1 3s\nwall hv1 +3600s\nwall hv1 -0.5s\ndrift hv1 -200ppm\n\
                  uptime hv1 86400s\nstore gone hv1\nstore back hv1\nelection 3s kept\nelection 2.5s lost\n\
                  lose-leader 4s landed\nlose-leader 4s not-landed";
    for line in script.lines() {
        let line = line.trim();
        assert_eq!(line.parse::<Command>().unwrap().to_string(), line);
    }
}

#[test]
fn an_order_that_is_not_known_is_named() {
    let error = "strat web1".parse::<Command>().unwrap_err();
    assert!(format!("{error:#}").contains("strat web1"), "{error:#}");
}
