//! Scenarios of the bins of both sides: what lost is there, and comes back.

crate::scenarios! {
    a_record_that_is_gone_comes_back_from_the_bin
    an_edit_overwritten_on_the_server_is_in_the_servers_bin
}

mod run {
    use crate::world::*;
    use onsync_core::mutation::BinReason;
    use onsync_core::schema::Ids;
    use onsync_core::store::local::is_local_key;
    use onsync_core::{Fields, Key};
    use onsync_engine::sync::BinFilter;
    use onsync_server::{Server, ServerBinFilter};

    fn name(name: &str) -> Fields {
        Fields::new().with("name", name)
    }

    fn bin(device: &Device) -> Vec<onsync_engine::sync::BinEntry> {
        device.run(device.syncer.bin(BinFilter::all())).unwrap()
    }

    pub(super) fn a_record_that_is_gone_comes_back_from_the_bin(kind: Kind) {
        for ids in [Ids::Client, Ids::Server] {
            let mut world = World::new(kind, one(item(LWW, ids)));
            world.fill(2);
            let device = world.device();
            device.sync();
            device.update("Item", 2i64, &name("mine"));
            world.delete("Item", 2);
            device.sync();
            assert!(device.get("Item", 2i64).is_none());
            let lost = bin(&device);
            assert_eq!((lost.len(), lost[0].reason), (1, BinReason::Gone));
            let key = device.run(device.syncer.restore(lost[0].id)).unwrap();
            // A key that the server issued may be issued again: the record gets one of this device.
            match ids {
                Ids::Client => assert_eq!(key, Key::one(2i64)),
                Ids::Server => assert!(is_local_key(&key.0[0]), "{key}"),
            }
            device.sync();
            device.sync();
            let there = world.contents("Item");
            let back: Vec<_> = there.values().filter(|row| row[1] == "mine".into()).collect();
            assert_eq!((there.len(), back.len()), (2, 1));
            assert_eq!(device.get("Item", key).unwrap().value("amount"), &2i64.into());
            assert!(bin(&device).is_empty());
        }
    }

    /// What the last push overwrote is in the bin of the side that lost it.
    pub(super) fn an_edit_overwritten_on_the_server_is_in_the_servers_bin(kind: Kind) {
        let mut world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(2);
        let server: Server = world.server.clone();
        let (a, b) = (world.device(), world.device());
        a.sync();
        b.sync();
        a.update("Item", 1i64, &name("of a").with("amount", 5i64));
        b.update("Item", 1i64, &name("of b"));
        a.update("Item", 2i64, &name("kept by a"));
        a.sync();
        b.delete("Item", 2i64);
        b.sync();
        let kept = world.run(server.bin(&ServerBinFilter::default())).unwrap();
        assert_eq!(kept.len(), 2, "{kept:?}");
        let update = kept.iter().find(|entry| !entry.deleted).unwrap();
        let delete = kept.iter().find(|entry| entry.deleted).unwrap();
        assert_eq!((&update.key, &update.values), (&Key::one(1i64), &name("of a")));
        assert_eq!(delete.values.value("name"), &"kept by a".into());
        for entry in &kept {
            assert_eq!(world.run(server.restore(entry.id)).unwrap(), entry.key);
        }
        for device in [&a, &b] {
            device.sync();
            assert_equal(&world, device);
        }
        let there = world.contents("Item");
        assert_eq!(there[&Key::one(1i64)][1], "of a".into());
        assert_eq!(there[&Key::one(2i64)][1], "kept by a".into());
        assert!(
            world
                .run(server.bin(&ServerBinFilter::default()))
                .unwrap()
                .is_empty()
        );
        // A device alone never overwrites unseen: nothing is kept.
        a.update("Item", 1i64, &name("again"));
        a.sync();
        a.delete("Item", 1i64);
        a.sync();
        assert!(
            world
                .run(server.bin(&ServerBinFilter::default()))
                .unwrap()
                .is_empty()
        );
    }
}
