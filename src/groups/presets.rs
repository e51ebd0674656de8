//! The presets that come with Quorate: one file each under `config/presets`.

use std::sync::OnceLock;

use super::catalogue::Catalogue;
use super::preset::{Preset, PresetError};

/// All presets, by their names.
pub fn built_in() -> Result<Vec<Preset>, PresetError> {
    FILES.iter().map(|(name, text)| Preset::parse(name, text)).collect()
}

/// The file of a preset, as it is.
pub fn file(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(own, _)| *own == name).map(|(_, text)| *text)
}

/// The groups that the presets know.
pub fn built_in_catalogue() -> Catalogue {
    static PRESETS: OnceLock<Vec<Preset>> = OnceLock::new();
    // A test reads every file, so that none is refused here.
    let presets = PRESETS.get_or_init(|| built_in().unwrap_or_default());
    Catalogue::new(presets).unwrap_or_default()
}

/// The files, in the order of their names.
#[rustfmt::skip]
const FILES: &[(&str, &str)] = &[
    ("aerospike", include_str!("../../config/presets/aerospike.yaml")),
    ("arangodb", include_str!("../../config/presets/arangodb.yaml")),
    ("bitnami-cassandra", include_str!("../../config/presets/bitnami-cassandra.yaml")),
    ("bitnami-elasticsearch", include_str!("../../config/presets/bitnami-elasticsearch.yaml")),
    ("bitnami-etcd", include_str!("../../config/presets/bitnami-etcd.yaml")),
    ("bitnami-kafka", include_str!("../../config/presets/bitnami-kafka.yaml")),
    ("bitnami-mariadb-galera", include_str!("../../config/presets/bitnami-mariadb-galera.yaml")),
    ("bitnami-mongodb", include_str!("../../config/presets/bitnami-mongodb.yaml")),
    ("bitnami-mysql", include_str!("../../config/presets/bitnami-mysql.yaml")),
    ("bitnami-postgresql", include_str!("../../config/presets/bitnami-postgresql.yaml")),
    ("bitnami-postgresql-ha", include_str!("../../config/presets/bitnami-postgresql-ha.yaml")),
    ("bitnami-rabbitmq", include_str!("../../config/presets/bitnami-rabbitmq.yaml")),
    ("bitnami-redis", include_str!("../../config/presets/bitnami-redis.yaml")),
    ("bitnami-redis-cluster", include_str!("../../config/presets/bitnami-redis-cluster.yaml")),
    ("bitnami-zookeeper", include_str!("../../config/presets/bitnami-zookeeper.yaml")),
    ("cass-operator", include_str!("../../config/presets/cass-operator.yaml")),
    ("cassandra", include_str!("../../config/presets/cassandra.yaml")),
    ("clickhouse-altinity", include_str!("../../config/presets/clickhouse-altinity.yaml")),
    ("clickhouse-operator", include_str!("../../config/presets/clickhouse-operator.yaml")),
    ("cloudnative-pg", include_str!("../../config/presets/cloudnative-pg.yaml")),
    ("cockroach-operator", include_str!("../../config/presets/cockroach-operator.yaml")),
    ("cockroachdb", include_str!("../../config/presets/cockroachdb.yaml")),
    ("consul", include_str!("../../config/presets/consul.yaml")),
    ("crunchy-postgres", include_str!("../../config/presets/crunchy-postgres.yaml")),
    ("dragonfly", include_str!("../../config/presets/dragonfly.yaml")),
    ("elasticsearch-eck", include_str!("../../config/presets/elasticsearch-eck.yaml")),
    ("etcd-operator", include_str!("../../config/presets/etcd-operator.yaml")),
    ("foundationdb", include_str!("../../config/presets/foundationdb.yaml")),
    ("influxdb", include_str!("../../config/presets/influxdb.yaml")),
    ("kubeadm-etcd", include_str!("../../config/presets/kubeadm-etcd.yaml")),
    ("kubeblocks", include_str!("../../config/presets/kubeblocks.yaml")),
    ("mariadb-operator", include_str!("../../config/presets/mariadb-operator.yaml")),
    ("minio", include_str!("../../config/presets/minio.yaml")),
    ("moco", include_str!("../../config/presets/moco.yaml")),
    ("mongodb-community", include_str!("../../config/presets/mongodb-community.yaml")),
    ("mongodb-enterprise", include_str!("../../config/presets/mongodb-enterprise.yaml")),
    ("mysql-innodbcluster", include_str!("../../config/presets/mysql-innodbcluster.yaml")),
    ("nats", include_str!("../../config/presets/nats.yaml")),
    ("opensearch", include_str!("../../config/presets/opensearch.yaml")),
    ("percona-postgresql", include_str!("../../config/presets/percona-postgresql.yaml")),
    ("percona-server-mongodb", include_str!("../../config/presets/percona-server-mongodb.yaml")),
    ("percona-server-mysql", include_str!("../../config/presets/percona-server-mysql.yaml")),
    ("percona-xtradb-cluster", include_str!("../../config/presets/percona-xtradb-cluster.yaml")),
    ("prometheus", include_str!("../../config/presets/prometheus.yaml")),
    ("pulsar", include_str!("../../config/presets/pulsar.yaml")),
    ("qdrant", include_str!("../../config/presets/qdrant.yaml")),
    ("rabbitmq", include_str!("../../config/presets/rabbitmq.yaml")),
    ("redis-ot", include_str!("../../config/presets/redis-ot.yaml")),
    ("redis-spotahome", include_str!("../../config/presets/redis-spotahome.yaml")),
    ("redpanda", include_str!("../../config/presets/redpanda.yaml")),
    ("rook-ceph", include_str!("../../config/presets/rook-ceph.yaml")),
    ("scylladb", include_str!("../../config/presets/scylladb.yaml")),
    ("solr", include_str!("../../config/presets/solr.yaml")),
    ("stackgres", include_str!("../../config/presets/stackgres.yaml")),
    ("strimzi", include_str!("../../config/presets/strimzi.yaml")),
    ("tidb-operator-v1", include_str!("../../config/presets/tidb-operator-v1.yaml")),
    ("tidb-operator-v2", include_str!("../../config/presets/tidb-operator-v2.yaml")),
    ("valkey", include_str!("../../config/presets/valkey.yaml")),
    ("valkey-hyperspike", include_str!("../../config/presets/valkey-hyperspike.yaml")),
    ("vault", include_str!("../../config/presets/vault.yaml")),
    ("victoriametrics", include_str!("../../config/presets/victoriametrics.yaml")),
    ("vitess", include_str!("../../config/presets/vitess.yaml")),
    ("yugabytedb", include_str!("../../config/presets/yugabytedb.yaml")),
    ("zalando-postgres", include_str!("../../config/presets/zalando-postgres.yaml")),
    ("zookeeper-operator", include_str!("../../config/presets/zookeeper-operator.yaml")),
];

#[cfg(test)]
mod tests {
    use super::super::preset::VerifiedBy;
    use super::*;

    #[test]
    fn presets_are_called_as_their_files_and_say_where_they_were_seen() {
        for (preset, (name, text)) in built_in().unwrap().iter().zip(FILES) {
            assert_eq!((&*preset.name, file(name)), (*name, Some(*text)));
            let verified = &preset.verified;
            let seen = (verified.fixture.is_some(), verified.source.is_some());
            match verified.by {
                VerifiedBy::Fixture => assert!(seen.0, "{name}: which fixture?"),
                VerifiedBy::Source => assert!(seen.1, "{name}: where in the source?"),
                VerifiedBy::None => assert_eq!(seen, (false, false), "{name}"),
            }
            let scheduler = &preset.scheduler;
            let has_field = scheduler.field.is_some() || !scheduler.fields.is_empty();
            assert!(has_field || scheduler.none || scheduler.note.is_some(), "{name}: how?");
        }
        assert_eq!(file("nobody"), None);
    }
}
