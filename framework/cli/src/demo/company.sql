CREATE TABLE customers (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    VARCHAR(120) NOT NULL,
    contact VARCHAR(80),
    phone   VARCHAR(30),
    email   VARCHAR(120),
    city    VARCHAR(60)
);
CREATE TABLE sites (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id  INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    label        VARCHAR(60) NOT NULL,
    street       VARCHAR(120) NOT NULL,
    postal_code  VARCHAR(12),
    city         VARCHAR(60),
    access_notes TEXT
);
CREATE TABLE technicians (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    name   VARCHAR(80) NOT NULL,
    phone  VARCHAR(30),
    region VARCHAR(20)
);
CREATE TABLE parts (
    article_no VARCHAR(20) PRIMARY KEY NOT NULL,
    name       VARCHAR(120) NOT NULL,
    unit       VARCHAR(20) NOT NULL,
    price      DECIMAL(10, 2) NOT NULL,
    in_stock   INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE work_orders (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    site_id       INTEGER NOT NULL REFERENCES sites (id),
    technician_id INTEGER REFERENCES technicians (id) ON DELETE SET NULL,
    title         VARCHAR(120) NOT NULL,
    priority      VARCHAR(10) NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
    status        VARCHAR(20) NOT NULL DEFAULT 'planned',
    scheduled_at  TIMESTAMP,
    finished_at   TIMESTAMP,
    hours         DECIMAL(5, 2),
    notes         TEXT
);
CREATE INDEX work_orders_by_site ON work_orders (site_id);
CREATE TABLE work_order_parts (
    work_order_id INTEGER NOT NULL REFERENCES work_orders (id) ON DELETE CASCADE,
    article_no    VARCHAR(20) NOT NULL REFERENCES parts (article_no),
    quantity      INTEGER NOT NULL,
    PRIMARY KEY (work_order_id, article_no)
);
