-- What happened to orders that buyers may have to be told of.

create table cloudsales.message_wanted (
    channel         text not null references cloudsales.channel,
    event           text not null,
    primary key (channel, event)
);
comment on table cloudsales.message_wanted is 'Events that a rule tells somebody of, by channel, as the settings say: nothing else is noted.';
