package chat

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

const kept = 1000

var (
	goodID  = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	idOfOne = regexp.MustCompile(`,"id":"([^"]*)"}$`)
)

// chatLog is the chat's last messages: members that return get what they have missed, also after the end of this
// process if the variable CHAT_LOG names a file. The first line of the file is the history's epoch, each other line is
// a message. A message is in the file before anybody gets it. The room's lock guards this.
type chatLog struct {
	messages *hijack.Broadcaster
	ids      []string // of the messages that are kept, "" for one without
	file     *os.File // nil without CHAT_LOG
}

func newLog(server *hijack.Server) (*chatLog, error) {
	messages, err := server.NewBroadcaster(hijack.Options{
		"backlog_bytes":    backlog,
		"history_messages": fmt.Sprint(kept),
	})
	log := &chatLog{messages: messages}
	if path := os.Getenv("CHAT_LOG"); err == nil && path != "" {
		if err = log.readBack(path); err != nil {
			err = fmt.Errorf("CHAT_LOG: %w", err)
		}
	}
	return log, err
}

// position is where the chat is now; "" when the demo ends.
func (log *chatLog) position() string {
	position, _ := log.messages.Position()
	return position
}

// add makes a client a member, which goes on from the position that it gives, "" for where the chat is now; nil: it
// gives none.
func (log *chatLog) add(conn connection, from *string) {
	var newcomer hijack.Newcomer
	if from != nil {
		if newcomer.Position = *from; *from == "" {
			newcomer.Position = log.position()
		}
	}
	log.messages.Add(conn, newcomer)
}

// publish publishes it once, if it has an id: a client sends again what it does not know to have arrived.
func (log *chatLog) publish(json, id string) {
	for _, other := range log.ids {
		if id != "" && id == other {
			return
		}
	}
	if log.file != nil {
		if err := log.append(json); err != nil { // a line of which a part is missing must not get another one behind it
			demo.Check(fmt.Errorf("CHAT_LOG: %w", err))
		}
	}
	log.keep(json, id)
}

func (log *chatLog) readBack(path string) error {
	whole, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if log.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666); err != nil {
		return err
	}
	whole = whole[:bytes.LastIndexByte(whole, '\n')+1] // of the last line a part may be there, which nobody got
	if err = log.file.Truncate(int64(len(whole))); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(whole), "\n"), "\n")
	epoch, lines := lines[0], lines[1:]
	if epoch == "" {
		position := log.position()
		epoch = position[:strings.LastIndexByte(position, '-')]
		if err = log.append(epoch); err != nil {
			return err
		}
	}
	first := 0
	if len(lines) > kept {
		first = len(lines) - kept
	}
	// A client's position counts the messages of the file, however many of them are kept.
	if err = log.messages.Set(hijack.Options{"history_position": fmt.Sprintf("%s-%d", epoch, first)}); err != nil {
		return err
	}
	for _, json := range lines[first:] {
		id := ""
		if found := idOfOne.FindStringSubmatch(json); found != nil {
			id = found[1]
		}
		log.keep(json, id)
	}
	return nil
}

func (log *chatLog) keep(json, id string) {
	log.messages.PublishString(json) // fails when the demo ends
	if log.ids = append(log.ids, id); len(log.ids) > kept {
		log.ids = log.ids[1:]
	}
}

func (log *chatLog) append(line string) error {
	_, err := log.file.WriteString(line + "\n")
	return err
}
