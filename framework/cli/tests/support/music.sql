CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, Name NVARCHAR(120));
CREATE TABLE Album (AlbumId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, Title NVARCHAR(160) NOT NULL,
    ArtistId INTEGER NOT NULL REFERENCES Artist (ArtistId));
CREATE TABLE Track (TrackId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, Name NVARCHAR(200) NOT NULL,
    AlbumId INTEGER REFERENCES Album (AlbumId), Composer NVARCHAR(220), Milliseconds INTEGER NOT NULL,
    UnitPrice NUMERIC(10, 2) NOT NULL);
CREATE TABLE Customer (CustomerId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, FirstName NVARCHAR(40) NOT NULL,
    LastName NVARCHAR(20) NOT NULL, City NVARCHAR(40));
CREATE TABLE Invoice (InvoiceId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    CustomerId INTEGER NOT NULL REFERENCES Customer (CustomerId), InvoiceDate DATETIME NOT NULL,
    Total NUMERIC(10, 2) NOT NULL);
CREATE TABLE InvoiceLine (InvoiceLineId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    InvoiceId INTEGER NOT NULL REFERENCES Invoice (InvoiceId), TrackId INTEGER NOT NULL REFERENCES Track (TrackId),
    UnitPrice NUMERIC(10, 2) NOT NULL, Quantity INTEGER NOT NULL);
CREATE TABLE PlaylistTrack (PlaylistId INTEGER NOT NULL, TrackId INTEGER NOT NULL REFERENCES Track (TrackId),
    PRIMARY KEY (PlaylistId, TrackId));
INSERT INTO Artist (Name) VALUES ('Ash & Ember'), ('Bram Well'), (NULL);
INSERT INTO Album (Title, ArtistId) VALUES ('Station Road', 1), ('Mill Lane', 2);
INSERT INTO Track (Name, AlbumId, Composer, Milliseconds, UnitPrice) VALUES
    ('Platform Two', 1, 'A. Ember', 201000, 0.99), ('Last Train', 1, NULL, 187500, 0.99), ('Wheel', 2, 'B. Well', 305200, 1.29);
INSERT INTO Customer (FirstName, LastName, City) VALUES ('Ada', 'Quist', 'Dunham'), ('Bo', 'Ibáñez', NULL);
INSERT INTO Invoice (CustomerId, InvoiceDate, Total) VALUES (1, '2026-01-02 00:00:00', 1.98), (2, '2026-02-03 00:00:00', 1.29);
INSERT INTO InvoiceLine (InvoiceId, TrackId, UnitPrice, Quantity) VALUES (1, 1, 0.99, 1), (1, 2, 0.99, 1), (2, 3, 1.29, 1);
INSERT INTO PlaylistTrack VALUES (1, 1), (1, 2), (2, 3);
